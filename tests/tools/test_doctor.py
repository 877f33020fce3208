"""`python -m tools doctor` as a person uses it, against an issuer and a page on 127.0.0.1."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.handlers.issuer import AUDIENCE, CLAIM, claims, token
from tests.support.tools.sign_in import SignInWorld, sign_in_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run = Callable[..., tuple[object, str, str]]


@pytest.fixture
def world() -> Iterator[SignInWorld]:
    with sign_in_world() as made:
        yield made


@pytest.fixture
def doctor(world: SignInWorld, run: Run, tmp_path: Path) -> Run:
    """The command for the stack; a token is written to the file that it is read from."""

    def doctor(text: str | None = None) -> tuple[object, str, str]:
        file = tmp_path / "outputs.json"
        file.write_text(json.dumps(world.describe_stack()))
        if text is None:
            return run("doctor", "--outputs", str(file))
        (tmp_path / "token.txt").write_text(f"{text}\n")
        return run("doctor", "--outputs", str(file), "--token", str(tmp_path / "token.txt"))

    return doctor


def test_a_stack_that_fits(world: SignInWorld, doctor: Run) -> None:
    code, output, errors = doctor()

    assert (code, errors) == (0, "")
    first, *lines = output.splitlines()
    assert first == f"issuer {world.issuer}"
    assert {line.split("  ")[0] for line in lines} == {"pass"}
    assert lines[1] == "pass  issuer                 the discovery document names the same issuer"


def test_a_failure_is_counted_and_the_exit_code_tells(world: SignInWorld, doctor: Run) -> None:
    world.metadata |= {"issuer": f"{world.issuer}/", "end_session_endpoint": None}
    code, output, errors = doctor()

    assert (code, errors) == (1, "error: failed checks: 1; docs/identity.md says what to do\n")
    assert [line[:4] for line in output.splitlines()[1:] if line[:4] != "pass"] == ["FAIL", "note"]


def test_a_token_is_explained_and_not_printed(world: SignInWorld, doctor: Run) -> None:
    said = claims(iss=world.issuer, aud="client-2", azp=AUDIENCE, **{CLAIM: None}) | {"groups": ["a-secret-group"]}
    text = token(said)
    code, output, errors = doctor(text)

    assert code == 1
    explained = output.splitlines()[output.splitlines().index("token") + 1 :]
    assert [line for line in explained if not line.startswith("pass")] == [
        "FAIL  audience               aud: must contain a configured audience",
        "FAIL  tenantClaim            tenant: claim missing, must be in the ID token",
        "note  tenantClaim            claims of the token that could hold a tenant: groups",
    ]
    assert "pass  at the issuer          signature" in explained
    assert not any(part in output + errors for part in [*text.split("."), "a-secret-group", str(said["sub"])])


def test_a_token_that_is_accepted(world: SignInWorld, doctor: Run) -> None:
    code, output, errors = doctor(token(claims(iss=world.issuer)))

    assert (code, errors) == (0, "")
    assert output.splitlines()[-1] == "pass  tenantClaim            the claim grants: t_acme"


def test_a_token_is_explained_though_the_issuer_does_not_answer(world: SignInWorld, doctor: Run) -> None:
    world.statuses["/pool/.well-known/openid-configuration"] = 503
    code, output, _ = doctor(token(claims(iss=world.issuer)))

    assert code == 1
    assert "FAIL  issuer                 signature: not checked, because the issuer's keys could not be read" in output


def test_a_token_comes_from_stdin(
    world: SignInWorld, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(world.describe_stack()))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(token(claims(iss=world.issuer)).encode())))

    assert run("doctor", "--outputs", str(file), "--token", "-")[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--outputs", "-", "--token", "-"), "--token: must be a file if --outputs is stdin, got '-'"),
        (("--outputs", "missing.json"), "--outputs missing.json: No such file or directory"),
        (("--outputs", "{outputs}", "--token", "missing.txt"), "--token missing.txt: No such file or directory"),
        (("--outputs", "{outputs}", "--token", "{binary}"), "--token {binary}: must be a token in ASCII"),
        (("--outputs", "{empty}"), "--outputs {empty}: must have the output 'issuer', got "),
    ],
)
def test_bad_input_is_an_error_that_names_option_and_value(
    world: SignInWorld, run: Run, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    files = {name: str(tmp_path / name) for name in ("outputs", "binary", "empty")}
    (tmp_path / "outputs").write_text(json.dumps(world.describe_stack()))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").write_text("{}")
    code, output, errors = run("doctor", *(word.format(**files) for word in words))

    assert (code, output) == (1, "")
    assert errors == f"error: {message.format(**files)}\n"
