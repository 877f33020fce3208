from __future__ import annotations

import base64
import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from local.emulator import ACCOUNT_ID, Emulator
from local.emulator_client import client
from local.pipes.direct_client import CallError, DirectClient, FunctionError
from tests.local.conftest import REGION
from tests.support.local.functions import make_function

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

ECHO = """
def handler(event, context):
    if event == "fail":
        raise ValueError("what the form held")
    print(event)
    return [event, context.invoked_function_arn]
"""


@pytest.fixture
def calls(emulator: Emulator) -> Generator[DirectClient]:
    with closing(DirectClient(emulator.connect_directly)) as calls:
        yield calls


def test_a_function_answers_or_says_that_it_failed(emulator: Emulator, calls: DirectClient) -> None:
    function = make_function(emulator, "calls-echo", ECHO)
    assert calls.invoke(function, "RequestResponse", {"é": 1}) == [{"é": 1}, function]
    assert calls.invoke(function, "Event", "unheard") is None
    with pytest.raises(FunctionError, match=r"^Unhandled$"):
        calls.invoke(function, "RequestResponse", "fail")


def test_what_is_refused_says_why(calls: DirectClient) -> None:
    missing = f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:calls-missing"
    with pytest.raises(CallError, match=r"404 .*ResourceNotFoundException"):
        calls.invoke(missing, "RequestResponse", None)


def test_an_error_is_not_waited_for(calls: DirectClient) -> None:
    long_ago = base64.urlsafe_b64encode(json.dumps({"t": "table", "p": 0, "i": 0}).encode()).decode()
    with pytest.raises(CallError) as caught:
        calls.get_records(long_ago, 3600)
    assert caught.value.code == "ExpiredIteratorException"


def test_no_answer_is_an_error(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path, REGION)
    with pytest.raises(CallError, match="did not answer: the emulator does not run"):
        DirectClient(emulator.connect_directly).get_records("iterator", 0)


def test_an_emulator_that_ends_is_no_answer(tmp_path: Path) -> None:
    with Emulator(tmp_path, REGION) as emulator:
        function = make_function(emulator, "calls-ends", ECHO)
        calls = DirectClient(emulator.connect_directly)
        calls.invoke(function, "RequestResponse", "event")
    with pytest.raises(CallError, match="did not answer"):
        calls.invoke(function, "RequestResponse", "event")
    calls.close()


def test_the_pipe_may_read_and_invoke_where_iam_is_enforced(tmp_path: Path) -> None:
    with Emulator(tmp_path, REGION, enforce_iam=True) as emulator:
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        client("iam", emulator).create_role(RoleName="r", AssumeRolePolicyDocument=trust)
        function = make_function(emulator, "calls-enforced", ECHO)
        with closing(DirectClient(emulator.connect_directly)) as calls:
            assert calls.invoke(function, "RequestResponse", "event") == ["event", function]
