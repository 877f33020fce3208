"""The examples run away from this repository, and find the components as promised: names, tags, options, types."""

from __future__ import annotations

import pytest

from local.type_metadata import find_problems
from tests.examples.conftest import EXAMPLES, NAMES
from tests.support.components.contract import CONTRACT, nested_name, takes_tags
from tests.support.components.harness import Declared, Recording
from tests.support.policy.stacks import stack_of, violations

Recordings = dict[str, Recording]

PROMISED = {
    "StreamTable": "submissions",
    "SubmissionIngest": "ingest",
    "TenantIdentity": "identity",
    "WebSocketGateway": "gateway",
    "RealtimePipe": "realtime",
    "DeadLetterResync": "recovery",
    "DashboardSite": "site",
    "AlarmTopic": "alarms",
}
"""What the contract calls a component of this class."""

OPTIONAL = {"formbridge:index:TenantIdentity$aws:cognito/userPoolDomain:UserPoolDomain::identity-domain"}
"""Of the contract's children, those that an input asks for."""

TAGS = {
    "orders": {"Team": "shop"},
    "notices": {},
    "everything": {"Service": "forms", "Owner": "team-forms"},
}

each_example = pytest.mark.parametrize("example", NAMES)


def components(recording: Recording) -> list[Declared]:
    """The components that the program itself makes; without a page, whose children are its files."""
    return [one for one in recording.resources.values() if one.type.split(":")[-1] in PROMISED]


def test_every_example_is_run() -> None:
    assert set(NAMES) == {path.parent.name for path in EXAMPLES.glob("*/__main__.py")}


@each_example
def test_children_are_called_as_the_contract_has_it(example: str, recordings: Recordings) -> None:
    recording = recordings[example]

    assert components(recording)
    for component in components(recording):
        promised = PROMISED[component.type.split(":")[-1]]
        children = {
            nested_name(one.urn).replace(f"::{component.name}", f"::{promised}")
            for one in recording.below(component.name)[1:]
        }
        assert children <= set(CONTRACT[promised])
        assert set(CONTRACT[promised]) - children <= OPTIONAL


@each_example
def test_what_can_have_tags_has_the_programs(example: str, recordings: Recordings) -> None:
    recording = recordings[example]

    for component in components(recording):
        for child in recording.below(component.name):
            if child.custom and takes_tags(child):
                assert child.inputs.get("tags", {}) == TAGS[example], child.name


@each_example
def test_every_input_is_one_that_aws_knows(example: str, recordings: Recordings) -> None:
    wrong = {
        one.name: find_problems(one.type, one.inputs) for one in recordings[example].custom() if not is_provider(one)
    }

    assert {name: found for name, found in wrong.items() if found} == {}


@each_example
def test_what_is_declared_breaks_no_rule_of_the_policy_pack(example: str, recordings: Recordings) -> None:
    assert list(violations(stack_of(recordings[example]))) == []


def is_provider(resource: Declared) -> bool:
    return resource.type.startswith("pulumi:providers:")


class TestOptions:
    """What `everything` asks for."""

    @pytest.fixture
    def recording(self, recordings: Recordings) -> Recording:
        return recordings["everything"]

    def test_its_provider_makes_every_resource(self, recording: Recording) -> None:
        made = [one for one in recording.custom() if not is_provider(one)]

        assert {one.provider.rpartition("::")[0] for one in made} == {recording.one("acme").urn}

    def test_what_it_protects_is_protected_and_nothing_else(self, recording: Recording) -> None:
        protected = {one.urn for name in ("acme-submissions", "acme-staff") for one in recording.below(name)}

        assert {one.urn for one in recording.resources.values() if one.protected} == protected

    def test_what_was_called_otherwise_is_known_by_its_old_name(self, recording: Recording) -> None:
        gateway = recording.one("acme-gateway")

        assert gateway.aliases == {gateway.urn.replace("::acme-gateway", "::realtime")}
