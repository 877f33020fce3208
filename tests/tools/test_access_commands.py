"""Each case in which a revocation did not hold, through the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from formbridge.revocations.revocation import RETENTION_SECONDS
from tests.support.handlers.builders import submission
from tests.support.handlers.principals import HASHES
from tests.support.handlers.region import SUBMISSIONS, image
from tests.support.tools.access import NOW
from tools import revocation_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.tools.access import AccessStack

    Run = Callable[..., tuple[object, str, str]]

UNTIL = "2027-01-15T09:00:00Z"
"""An hour after `NOW`."""


@pytest.fixture
def ask(access: AccessStack, run: Run) -> Run:
    """A command for the stack, with a reason."""

    def ask(command: str, *words: str) -> tuple[object, str, str]:
        return run(command, "--outputs", str(access.outputs), "--reason", "a leaked token", *words)

    return ask


# --- A tenant -------------------------------------------------------------------------------------------------


def test_a_tenant_is_revoked_and_its_connections_are_closed(access: AccessStack, ask: Run) -> None:
    access.connect("a1")
    access.connect("e1", "eve")
    access.connect("g1", tenant_id="t_globex")

    code, output, errors = ask("revoke", "--tenant", "t_acme")

    assert (code, errors) == (0, "")
    assert output == (
        "tenant t_acme: sign-ins before 2027-01-15T08:00:31Z are refused until 2028-02-19T08:00:00Z\n"
        "connections closed: 2\n"
        "users signed out at Cognito: 0\n"
    )
    assert access.open() == {"g1"}
    assert access.refuses()
    assert not access.refuses(tenant_id="t_globex")


@pytest.mark.parametrize("tolerance", [0, 300])
def test_the_sign_ins_of_the_seconds_that_the_stack_tolerates_are_revoked_too(
    access: AccessStack, ask: Run, tolerance: int
) -> None:
    access.write_outputs(clock_tolerance_seconds=tolerance)

    assert ask("revoke", "--tenant", "t_acme")[0] == 1  # the tenant is not known
    assert access.refuses(signed_in_at=NOW + tolerance)
    assert not access.refuses(signed_in_at=NOW + tolerance + 1)


@pytest.mark.parametrize("issued_later", [1, 2, 30])
def test_a_token_that_is_issued_a_moment_later_does_not_connect(
    access: AccessStack, ask: Run, issued_later: int
) -> None:
    access.connect("a1")
    ask("revoke", "--tenant", "t_acme")
    # A refreshed token says when the user signed in. One without `auth_time` says when it was issued.
    assert access.refuses(signed_in_at=NOW - 60, at=NOW + issued_later)
    assert access.refuses(signed_in_at=NOW + issued_later, at=NOW + issued_later)


def test_a_refreshed_token_is_refused_for_as_long_as_a_sign_in_lasts(access: AccessStack, ask: Run) -> None:
    access.connect("a1")
    ask("revoke", "--tenant", "t_acme")
    assert access.refuses(signed_in_at=NOW - 1, at=NOW + RETENTION_SECONDS - 1)
    assert not access.refuses(signed_in_at=NOW + 31, at=NOW + 31)


def test_a_token_from_the_future_does_not_survive(access: AccessStack, ask: Run) -> None:
    """No valid token was issued later than 30 seconds from now. For whatever else an issuer says there is a block."""
    access.connect("a1")
    ask("revoke", "--tenant", "t_acme")
    assert access.refuses(signed_in_at=NOW + 30)
    ask("revoke", "--tenant", "t_acme", "--block")
    assert access.refuses(signed_in_at=NOW + 10**6)


def test_a_second_run_from_a_slow_clock_takes_nothing_back(
    access: AccessStack, ask: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    access.connect("a1")
    ask("revoke", "--tenant", "t_acme")
    monkeypatch.setattr(revocation_log, "now_seconds", lambda: NOW - 3_600)
    assert ask("revoke", "--tenant", "t_acme")[0] == 0
    assert access.refuses(signed_in_at=NOW)


def test_a_mistyped_tenant_is_revoked_with_a_warning_and_another_exit_code(access: AccessStack, ask: Run) -> None:
    access.connect("a1")

    code, output, errors = ask("revoke", "--tenant", "t_acmee")

    assert code == 1
    assert output.startswith("tenant t_acmee: sign-ins before ")
    assert errors == "error: warning: tenant t_acmee is not known to this stack; check the value\n"
    assert access.open() == {"a1"}
    assert access.refuses(tenant_id="t_acmee")


def test_a_tenant_is_known_by_its_submissions_too(access: AccessStack, ask: Run) -> None:
    access.dynamodb.put_item(TableName=SUBMISSIONS, Item=image(submission()))
    assert ask("revoke", "--tenant", "t_acme")[0] == 0


# --- A user, a session, a token -------------------------------------------------------------------------------


def test_a_user_is_revoked_in_every_tenant_and_no_other_user(access: AccessStack, ask: Run) -> None:
    access.connect("a1")
    access.connect("a2", tenant_id="t_globex")
    access.connect("e1", "eve")

    code, output, _ = ask("revoke", "--user", "ada")

    assert (code, output.splitlines()[1]) == (0, "connections closed: 2")
    assert output.startswith(f"user {HASHES.hash_user('ada')}: ")
    assert "ada" not in str(access.items())
    assert access.open() == {"e1"}
    assert access.refuses()
    assert access.refuses(tenant_id="t_globex")
    assert not access.refuses("eve")


def test_a_user_is_revoked_in_one_tenant_alone(access: AccessStack, ask: Run) -> None:
    access.connect("a1")
    access.connect("a2", tenant_id="t_globex")

    assert ask("revoke", "--user", "ada", "--tenant", "t_acme")[0] == 0
    assert access.open() == {"a2"}
    assert (access.refuses(), access.refuses(tenant_id="t_globex")) == (True, False)


@pytest.mark.parametrize(
    ("option", "value", "ids"),
    [
        ("--session", "s1", {"session": HASHES.hash_session("s1")}),
        ("--token-id", "k1", {"token_id": HASHES.hash_token_id("k1")}),
    ],
)
def test_a_session_and_a_token_are_revoked_and_no_other_of_the_user(
    access: AccessStack, ask: Run, option: str, value: str, ids: dict[str, Any]
) -> None:
    access.connect("a1", **ids)
    access.connect("a2")

    assert ask("revoke", option, value)[0] == 0
    assert access.open() == {"a2"}
    assert access.refuses(**ids)
    assert not access.refuses()


def test_whom_the_logs_name_is_revoked_by_the_hash(access: AccessStack, ask: Run) -> None:
    access.connect("a1")
    assert ask("revoke", "--user", HASHES.hash_user("ada"), "--hashed")[0] == 0
    assert access.refuses()


@pytest.mark.parametrize("option", ["--user", "--session", "--token-id"])
def test_whoever_is_not_known_is_revoked_with_a_warning_and_another_exit_code(
    access: AccessStack, ask: Run, option: str
) -> None:
    access.connect("a1")
    code, _, errors = ask("revoke", option, "mallory")
    assert code == 1
    assert errors.endswith("is not known to this stack; check the value\n")
    assert len(access.items()) == 2


# --- Block and lift -------------------------------------------------------------------------------------------


def test_a_block_refuses_later_sign_ins_until_it_is_lifted(access: AccessStack, ask: Run) -> None:
    access.connect("a1")
    assert ask("revoke", "--user", "ada", "--block")[0] == 0
    assert access.refuses(signed_in_at=NOW + 600, at=NOW + 600)

    code, output, _ = ask("lift", "--user", "ada")

    assert code == 0
    assert "sign-ins before 2027-01-15T08:00:31Z are refused for ever" in output
    assert not access.refuses(signed_in_at=NOW + 600, at=NOW + 600)
    assert access.refuses(signed_in_at=NOW)


def test_a_block_ends_by_itself_when_it_says_so(access: AccessStack, ask: Run) -> None:
    access.connect("a1")
    _, output, _ = ask("revoke", "--tenant", "t_acme", "--block", "--until", UNTIL)
    assert output.startswith("tenant t_acme: blocked until 2027-01-15T09:00:00Z; ")
    assert access.refuses(signed_in_at=NOW + 3_599, at=NOW + 3_599)
    assert not access.refuses(signed_in_at=NOW + 3_600, at=NOW + 3_600)


def test_a_shorter_block_shortens_no_other(access: AccessStack, ask: Run) -> None:
    access.connect("a1")
    ask("revoke", "--tenant", "t_acme", "--block")
    ask("revoke", "--tenant", "t_acme", "--block", "--until", UNTIL)
    assert access.refuses(signed_in_at=NOW + 10**6, at=NOW + 10**6)


def test_a_mistaken_revocation_is_taken_back_as_a_whole(access: AccessStack, ask: Run) -> None:
    access.connect("a1")
    ask("revoke", "--tenant", "t_acme")
    assert ask("lift", "--tenant", "t_acme", "--all") == (0, "tenant t_acme: nothing is refused\n", "")
    assert not access.refuses()


@pytest.mark.parametrize(("words", "state"), [((), "blocked"), (("--all",), "revoked")])
def test_a_lift_of_what_is_not_in_force_has_another_exit_code(
    access: AccessStack, ask: Run, words: tuple[str, ...], state: str
) -> None:
    expected = f"error: warning: tenant t_acme was not {state}; check the value\n"
    assert ask("lift", "--tenant", "t_acme", *words) == (1, "", expected)


# --- The user pool --------------------------------------------------------------------------------------------


def test_the_users_of_a_tenant_are_signed_out(access: AccessStack, ask: Run) -> None:
    theirs = [access.pool.create() for _ in range(3)]
    access.pool.create("t_globex")
    code, output, _ = ask("revoke", "--tenant", "t_acme")
    # The tenant is known, because it has users.
    assert (code, output.splitlines()[-1]) == (0, "users signed out at Cognito: 3")
    assert access.pool.signed_out == theirs


@pytest.mark.parametrize("hashed", [False, True])
def test_a_user_is_signed_out_and_disabled_only_if_asked(access: AccessStack, ask: Run, hashed: bool) -> None:
    subject, _ = access.pool.create(), access.pool.create()
    words = ("--user", HASHES.hash_user(subject), "--hashed") if hashed else ("--user", subject)
    code, output, _ = ask("revoke", *words, "--block")
    assert (code, output.splitlines()[-1]) == (0, "users signed out at Cognito: 1")
    assert (access.pool.signed_out, access.pool.disabled) == ([subject], set())
    assert ask("revoke", *words, "--block", "--disable-user")[0] == 0
    assert access.pool.disabled == {subject}


def test_connections_are_closed_though_a_user_cannot_be_signed_out(access: AccessStack, ask: Run) -> None:
    subject = access.pool.create()
    access.pool.failing.add(subject)
    access.connect("a1", subject)
    code, output, errors = ask("revoke", "--user", subject)
    assert (code, access.open()) == (1, set())
    assert "connections closed: 1\nusers signed out at Cognito: 0\n" in output
    assert errors.startswith(f"error: user {subject}: not signed out at Cognito: ")


def test_a_stack_with_an_issuer_of_its_own_signs_nobody_out(access: AccessStack, ask: Run) -> None:
    access.connect("a1")
    access.write_outputs(user_pool_id="")
    _, output, _ = ask("revoke", "--user", "ada")
    assert "Cognito" not in output
    refusal = "error: --disable-user: the stack has no user pool of its own\n"
    assert ask("revoke", "--user", "ada", "--block", "--disable-user") == (1, "", refusal)


# --- The audit ------------------------------------------------------------------------------------------------


def test_every_change_is_listed_with_who_when_and_why(
    access: AccessStack, run: Run, ask: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    access.connect("a1")
    ask("revoke", "--tenant", "t_acme", "--block", "--until", UNTIL)
    monkeypatch.setattr(revocation_log, "now_seconds", lambda: NOW + 60)
    ask("lift", "--tenant", "t_acme")
    code, output, errors = run("revocations", "--outputs", str(access.outputs))

    assert (code, errors) == (0, "")
    lines = output.splitlines()
    assert (lines[0], lines[2]) == ("in force: 1", "changes: 2")
    assert [line.split(" ")[:3] for line in lines[3:]] == [
        ["-", "2027-01-15T08:00:00.000Z", "block:"],
        ["-", "2027-01-15T08:01:00.000Z", "lift:"],
    ]
    assert all("by arn:aws:sts::" in line and line.endswith("; a leaked token") for line in (lines[1], *lines[3:]))


def test_the_list_is_json_if_asked(access: AccessStack, run: Run, ask: Run) -> None:
    access.connect("a1")
    ask("revoke", "--user", "ada", "--tenant", "t_acme")
    _, output, _ = run("revocations", "--outputs", str(access.outputs), "--json")
    state, change = map(json.loads, output.splitlines())
    assert (state["kind"], change["kind"]) == ("in force", "change")
    for read in (state, change):
        assert (read["target"], read["id"], read["tenant_id"]) == ("user", HASHES.hash_user("ada"), "t_acme")
        assert (read["signed_in_before"], read["blocked_until"]) == ("2027-01-15T08:00:31Z", None)
        assert (read["action"], read["reason"]) == ("revoke", "a leaked token")


# --- Bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "exactly one of --tenant, --user, --session and --token-id must be given"),
        (("--user", "a", "--session", "b"), "exactly one of --tenant, --user, --session and --token-id must be given"),
        (("--tenant", "a#b"), "--tenant: must match ^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,65}$, got 'a#b'"),
        (("--tenant", "t_acme", "--session", "s"), "--tenant: must not be given together with --session"),
        (("--tenant", "t_acme", "--hashed"), "--hashed: must be given together with --user, --session or --token-id"),
        (("--user", "ada", "--hashed"), "--user: must match ^[0-9a-f]{32}$, got 'ada'"),
        (("--user", ""), "--user: must not be empty"),
        (("--tenant", "t_acme", "--until", "soon"), "--until: must be a time in ISO 8601, got 'soon'"),
        (("--tenant", "t_acme", "--until", "2026-01-01"), "--until: must be in the future, got '2026-01-01'"),
        (("--tenant", "t_acme", "--reason", " "), "--reason: must have 1 to 500 characters, got ' '"),
        (
            ("--tenant", "t_acme", "--disable-user"),
            "--disable-user: must be given together with --block and with --tenant or --user",
        ),
    ],
)
def test_bad_input_is_an_error_that_names_option_and_value(
    access: AccessStack, ask: Run, words: tuple[str, ...], message: str
) -> None:
    assert ask("revoke", *words) == (1, "", f"error: {message}\n")
    assert access.items() == []


@pytest.mark.parametrize(
    ("output", "value", "message"),
    [
        ("revocations_table_name", "missing", "error: revocations table missing: "),
        ("user_hash_key_parameter", "missing", "error: parameter missing: "),
        ("management_endpoint", None, "must have the output 'management_endpoint'"),
    ],
)
def test_what_the_stack_does_not_have_is_an_error_that_names_it(
    access: AccessStack, ask: Run, output: str, value: str | None, message: str
) -> None:
    access.write_outputs(**{output: value})
    code, _, errors = ask("revoke", "--user", "ada")
    assert code == 1
    assert message in errors
    assert access.items() == []


def test_connections_that_cannot_be_closed_are_named_and_stay_revoked(access: AccessStack, ask: Run) -> None:
    access.connect("forbidden", status=403)
    access.connect("fine")
    code, output, errors = ask("revoke", "--tenant", "t_acme")
    assert code == 1
    assert "connections closed: 1\n" in output
    assert "these connections could not be closed; run the command again:\nforbidden: " in errors
    assert access.refuses()
