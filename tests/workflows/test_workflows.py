"""What the workflows may do, and for whose code.

zizmor holds them to what any workflow should be: no expression in a script, no right that is not asked for, no
`pull_request_target`, each action pinned by its commit. `ci.yml` runs actionlint, which no package holds.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.requirements import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
TEXTS = {path.name: path.read_text() for path in sorted((GITHUB / "workflows").iterdir())}
PULUMI = "./.github/actions/pulumi"
ACTION = (GITHUB / "actions" / "pulumi" / "action.yml").read_text()
"""What preview and deployment share."""
DEPLOYING = (ROOT / "docs" / "deploying.md").read_text()

Workflow = dict[Any, Any]

RECOVERY = ["pulumi cancel --yes --stack <stack>", "pulumi refresh --yes --clear-pending-creates --stack <stack>"]
"""The commands that end a run that was interrupted."""

PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
STACK = "${{ inputs.stack || 'dev' }}"
"""The stack that is deployed: a push has no inputs."""


def workflow(name: str) -> Workflow:
    return yaml.safe_load(TEXTS[name])


def triggers(name: str) -> dict[str, Any]:
    return workflow(name)[True]  # YAML 1.1 reads the key `on` so


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every job, after its workflow's and its own name."""
    for name in TEXTS:
        for job, content in workflow(name)["jobs"].items():
            yield name, job, content


def steps() -> list[dict[str, Any]]:
    """Every step of a workflow, and of the action that is this repository's own."""
    return [step for _, _, job in jobs() for step in job["steps"]] + pulumi_steps()


def pulumi_steps() -> list[dict[str, Any]]:
    return yaml.safe_load(ACTION)["runs"]["steps"]


def using(action: str) -> list[dict[str, Any]]:
    """The steps that use an action of someone else."""
    return [step for step in steps() if step.get("uses", "").startswith(f"{action}@")]


def run_step(name: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script of a step of our own action as a runner does. Its outputs are in the file `output`."""
    (script,) = [step["run"] for step in pulumi_steps() if step.get("id") == name]
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "GITHUB_OUTPUT": str(folder / "output"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def words(condition: str) -> str:
    return " ".join(condition.split())


def test_these_are_the_workflows() -> None:
    assert set(TEXTS) == {"ci.yml", "preview.yml", "deploy.yml", "recover.yml", "security.yml"}


def test_zizmor_finds_nothing() -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    command = [zizmor, "--offline", "--no-progress", "--strict-collection", "--persona", "pedantic", GITHUB]

    finished = subprocess.run(command, capture_output=True, text=True, check=False)

    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize("text", [*TEXTS.values(), ACTION], ids=[*TEXTS, "action.yml"])
def test_each_pin_says_its_version(text: str) -> None:
    used = re.findall(r"^\s*(?:- )?uses: (?!\./)(.*)$", text, re.MULTILINE)

    assert used
    assert [one for one in used if not PINNED.fullmatch(one)] == []


def test_an_action_is_pinned_to_one_commit_everywhere() -> None:
    pins = {step["uses"] for step in steps() if "uses" in step} - {PULUMI}

    assert len({pin.split("@")[0] for pin in pins}) == len(pins)


def test_a_job_may_do_more_only_where_it_must() -> None:
    granted = {(name, job): content["permissions"] for name, job, content in jobs() if "permissions" in content}

    assert granted == {
        ("preview.yml", "preview"): {"contents": "read", "id-token": "write", "pull-requests": "write"},
        ("deploy.yml", "up"): {"contents": "read", "id-token": "write"},
        ("recover.yml", "recover"): {"contents": "read", "id-token": "write"},
    }


def test_nothing_runs_a_forks_code_with_this_repositorys_rights() -> None:
    assert {name: set(triggers(name)) for name in TEXTS} == {
        "ci.yml": {"pull_request", "push"},
        "preview.yml": {"pull_request"},
        "deploy.yml": {"push", "workflow_dispatch"},
        "recover.yml": {"workflow_dispatch"},
        "security.yml": {"schedule", "workflow_dispatch", "push", "pull_request"},
    }


def test_only_what_is_not_run_for_forks_is_given_a_secret() -> None:
    assert {name for name, text in TEXTS.items() if "secrets" in text} == {"preview.yml", "deploy.yml", "recover.yml"}
    assert set(re.findall(r"secrets\.\w+", "".join(TEXTS.values()))) == {"secrets.PULUMI_ACCESS_TOKEN"}


class TestPreview:
    """It runs the program of a pull request, so what it can reach depends on who approves it."""

    @pytest.fixture
    def job(self) -> dict[str, Any]:
        (job,) = workflow("preview.yml")["jobs"].values()
        return job

    def test_does_not_run_for_forks(self, job: dict[str, Any]) -> None:
        conditions = words(job["if"]).split(" && ")

        assert "github.event.pull_request.head.repo.full_name == github.repository" in conditions
        assert "||" not in job["if"]

    def test_waits_for_a_reviewer(self, job: dict[str, Any]) -> None:
        """The environment has the reviewers, and the role trusts no other run of a pull request."""
        (trusted,) = json.loads((ROOT / "docs" / "iam" / "preview-trust.json").read_text())["Statement"]

        assert job["environment"] == "preview"
        assert trusted["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"] == (
            "repo:ORG@ORG_ID/REPO@REPO_ID:environment:preview"
        )
        assert "| `preview` | environment | required reviewers; no self-review |" in DEPLOYING

    def test_no_secret_is_the_repositorys(self) -> None:
        """Whoever pushes a branch can write a workflow that reads the secrets of the repository."""
        with_secrets = [job for _, _, job in jobs() if "secrets." in json.dumps(job)]

        assert len(with_secrets) == 3
        assert [job for job in with_secrets if "environment" not in job] == []
        assert "| `PULUMI_ACCESS_TOKEN` | secret of each environment |" in DEPLOYING

    def test_the_token_is_in_the_steps_that_need_it_alone(self) -> None:
        *others, recover, run = pulumi_steps()

        assert run["with"]["command"] == "${{ inputs.command }}"
        assert (recover["if"], run["if"]) == ("inputs.command == 'recover'", "inputs.command != 'recover'")
        assert run["env"] == {"PULUMI_ACCESS_TOKEN": "${{ inputs.access-token }}"}
        assert "access-token" not in json.dumps(others)

    def test_packages_are_installed_before_there_are_credentials(self) -> None:
        names = [step.get("uses", "").split("@")[0] for step in pulumi_steps()]
        installing = next(number for number, step in enumerate(pulumi_steps()) if "run" in step)
        script = pulumi_steps()[installing]["run"]

        assert installing < names.index("aws-actions/configure-aws-credentials")
        assert "--require-hashes --only-binary=:all: --requirement" in script
        assert "pulumi install --no-dependencies" in script


class TestSecurity:
    def test_audits_each_lock_file_that_is_deployed(self) -> None:
        scripts = [step.get("run", "") for step in workflow("security.yml")["jobs"]["audit"]["steps"]]
        (command,) = [script for script in scripts if script.startswith("pip-audit")]
        audited = set(re.findall(r"--requirement (\S+)", command))

        assert audited == {str(Path(source).with_suffix(".txt")) for source in SOURCES} - {
            "requirements/actionlint.txt",
            "requirements/audit.txt",
            "requirements/checkov.txt",
        }
        assert "schedule" in triggers("security.yml")

    def test_the_verdicts_are_those_of_checkov(self) -> None:
        scripts = [step.get("run") for step in workflow("security.yml")["jobs"]["checkov"]["steps"]]

        assert scripts[-2:] == ["make security PYTHON=python3", "git diff --exit-code"]

    def test_looks_for_updates_of_everything_that_is_pinned(self) -> None:
        updates = yaml.safe_load((GITHUB / "dependabot.yml").read_text())["updates"]
        folders = {
            update["package-ecosystem"]: set(update.get("directories", [update.get("directory")])) for update in updates
        }

        assert folders == {
            "uv": {f"/{Path(source).parent.as_posix()}".removesuffix(".") for source in SOURCES},
            "npm": {"/"},
            "gomod": {"/tests/support/providers/zitadel", "/tests/support/engine/pulumi"},
            "github-actions": {"/", *(f"/{path.parent.relative_to(ROOT)}" for path in GITHUB.rglob("action.yml"))},
        }


def test_a_checkout_leaves_no_token_behind() -> None:
    found = using("actions/checkout")

    assert len(found) == len(list(jobs()))
    assert [step for step in found if step["with"] != {"persist-credentials": False}] == []


def test_each_job_ends() -> None:
    limits = {(name, job): content.get("timeout-minutes", 360) for name, job, content in jobs()}

    assert {one: minutes for one, minutes in limits.items() if minutes > 60} == {}


class TestDeployment:
    @pytest.fixture
    def up(self) -> dict[str, Any]:
        return workflow("deploy.yml")["jobs"]["up"]

    def test_only_a_hand_brings_up_prod(self, up: dict[str, Any]) -> None:
        assert triggers("deploy.yml")["push"] == {"branches": ["main"]}
        assert triggers("deploy.yml")["workflow_dispatch"]["inputs"]["stack"]["options"] == ["dev", "prod"]
        assert up["environment"]["name"] == STACK
        assert [step["with"]["stack"] for step in up["steps"] if step.get("uses") == PULUMI] == [STACK]

    def test_is_of_main_alone(self, up: dict[str, Any]) -> None:
        assert "github.ref == 'refs/heads/main'" in words(up["if"]).split(" && ")
        assert "||" not in up["if"]

    def test_is_one_at_a_time_for_each_stack_and_never_cut_off(self) -> None:
        assert workflow("deploy.yml")["concurrency"] == {"group": f"deploy-{STACK}", "cancel-in-progress": False}

    def test_says_where_the_dashboard_is(self, up: dict[str, Any]) -> None:
        url = "${{ steps.up.outputs.dashboard_url }}"
        (run,) = [step["id"] for step in pulumi_steps() if "command" in step.get("with", {})]

        assert 'pulumi.export("dashboard_url"' in (ROOT / "__main__.py").read_text()
        assert yaml.safe_load(ACTION)["outputs"]["dashboard_url"]["value"] == (
            f"${{{{ steps.{run}.outputs.dashboard_url }}}}"
        )
        assert [step["id"] for step in up["steps"] if step.get("uses") == PULUMI] == ["up"]
        assert up["environment"]["url"] == url
        assert up["steps"][-1]["env"] == {"DASHBOARD_URL": url}


class TestRecovery:
    @pytest.fixture
    def job(self) -> dict[str, Any]:
        return workflow("recover.yml")["jobs"]["recover"]

    def test_is_started_by_hand_on_main_with_the_rules_of_the_stacks_environment(self, job: dict[str, Any]) -> None:
        assert job["if"] == "github.ref == 'refs/heads/main'"
        assert job["environment"] == "${{ inputs.stack }}"
        assert triggers("recover.yml")["workflow_dispatch"]["inputs"]["stack"]["options"] == ["dev", "prod"]

    def test_never_runs_during_a_deployment_of_the_stack(self) -> None:
        group = workflow("deploy.yml")["concurrency"]["group"].replace(" || 'dev'", "")
        assert workflow("recover.yml")["concurrency"] == {"group": group, "cancel-in-progress": False}

    def test_runs_the_commands_of_the_page(self) -> None:
        """tests/engine/test_a_killed_run.py shows what they do."""
        (script,) = [step["run"] for step in pulumi_steps() if step.get("if") == "inputs.command == 'recover'"]
        commands = [line.replace('"$STACK"', "<stack>") for line in script.splitlines() if line.startswith("pulumi ")]

        assert [line for line in commands if "export" not in line] == RECOVERY
        assert all(f"`{command}`" in DEPLOYING for command in RECOVERY)


class TestPulumi:
    def test_is_of_the_version_that_the_program_is_written_for(self) -> None:
        pins = dict(re.findall(r"^([\w-]+)==(.+)$", (ROOT / "requirements.in").read_text(), re.MULTILINE))

        assert yaml.safe_load(ACTION)["inputs"]["pulumi-version"]["default"] == pins["pulumi"]
        used = {step["with"]["pulumi-version"] for step in using("pulumi/actions")}
        assert used == {"${{ inputs.pulumi-version }}", pins["pulumi"]}

    def test_is_held_to_the_policy_pack(self) -> None:
        (run,) = [step["with"] for step in using("pulumi/actions") if "command" in step["with"]]

        assert run["policyPacks"] == "policy"
        assert (ROOT / "policy" / "PulumiPolicy.yaml").is_file()

    def test_is_held_to_the_optional_rules_in_production(self) -> None:
        (run,) = [step["with"] for step in using("pulumi/actions") if "command" in step["with"]]
        (up,) = [step["with"] for step in workflow("deploy.yml")["jobs"]["up"]["steps"] if step.get("uses") == PULUMI]

        assert run["policyPackConfigs"] == "${{ inputs.policy-config }}"
        assert up["policy-config"] == "${{ inputs.stack == 'prod' && 'policy/production.json' || '' }}"
        assert (ROOT / "policy" / "production.json").is_file()

    def test_has_a_role_for_an_hour_and_no_key(self) -> None:
        (credentials,) = using("aws-actions/configure-aws-credentials")

        assert credentials["with"] == {
            "role-to-assume": "${{ inputs.role }}",
            "aws-region": "${{ steps.settings.outputs.region }}",
        }

    @pytest.mark.parametrize("region", ["eu-west-1", '"us-east-1" # quoted'])
    def test_takes_the_region_from_the_stacks_file(self, tmp_path: Path, region: str) -> None:
        (tmp_path / "Pulumi.dev.yaml").write_text(f"config:\n  aws:region: {region}\n")
        (tmp_path / ".venv").symlink_to(ROOT / ".venv")

        finished = run_step("settings", tmp_path, STACK="dev")

        assert finished.returncode == 0, finished.stderr
        assert (tmp_path / "output").read_text() == f"region={yaml.safe_load(region)}\n"

    def test_fails_if_the_stacks_file_has_no_region(self, tmp_path: Path) -> None:
        (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
        (tmp_path / ".venv").symlink_to(ROOT / ".venv")

        assert run_step("settings", tmp_path, STACK="dev").returncode != 0

    @pytest.mark.parametrize(
        ("name", "command", "role"),
        [
            ("preview.yml", "preview", "AWS_PREVIEW_ROLE_ARN"),
            ("deploy.yml", "up", "AWS_DEPLOY_ROLE_ARN"),
            ("recover.yml", "recover", "AWS_DEPLOY_ROLE_ARN"),
        ],
    )
    def test_runs_a_command_with_that_commands_role(self, name: str, command: str, role: str) -> None:
        (job,) = workflow(name)["jobs"].values()
        (given,) = [step["with"] for step in job["steps"] if step.get("uses") == PULUMI]

        assert (given["command"], given["role"]) == (command, f"${{{{ vars.{role} }}}}")
        assert set(yaml.safe_load(ACTION)["inputs"]) - set(given) <= {"pulumi-version", "policy-config"}


class TestContinuousIntegration:
    def test_runs_on_each_python_that_the_project_says(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        pythons = workflow("ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]

        assert pythons == ["3.11", "3.12", "3.13", "3.14"]
        assert project["requires-python"] == f">={pythons[0]}"

    def test_runs_what_a_developer_runs(self) -> None:
        scripts = [step.get("run", "") for name, _, job in jobs() if name == "ci.yml" for step in job["steps"]]

        assert {"make test PYTHON=python3", "make check PYTHON=python3"} <= set(scripts)

    def test_fails_without_the_browser_that_the_pages_tests_need(self) -> None:
        scripts = [step.get("run") for step in workflow("ci.yml")["jobs"]["test"]["steps"]]

        assert scripts.index("chromium --version") < scripts.index("make test PYTHON=python3")
