from __future__ import annotations

import json
from typing import Any

import pytest

from local.pipes import PipeError, PipeSettings
from tests.support.local.pipes import FUNCTION, PIPE, QUEUE, STREAM, settings


def inputs(**changes: Any) -> dict[str, Any]:
    """The wire inputs of a pipe; `a__b` changes a property below a property."""
    declared: dict[str, Any] = {
        "roleArn": "arn:aws:iam::000000000000:role/r",
        "source": STREAM,
        "target": FUNCTION,
        "sourceParameters": {
            "dynamodbStreamParameters": {"startingPosition": "TRIM_HORIZON"},
        },
    }
    for path, value in changes.items():
        *parents, name = path.split("__")
        place = declared
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value
    return declared


STREAM_PARAMETERS = "sourceParameters__dynamodbStreamParameters__"


def test_defaults_are_those_of_pipes() -> None:
    assert PipeSettings.from_inputs(PIPE, inputs()) == settings(dead_letter_arn=None)


def test_everything_that_a_program_may_declare() -> None:
    pattern = {"eventName": ["INSERT"]}
    declared = inputs(
        name="p",
        description="d",
        tags={"a": "b"},
        desiredState="STOPPED",
        logConfiguration={"level": "ERROR"},
        targetParameters__lambdaFunctionParameters__invocationType="FIRE_AND_FORGET",
        sourceParameters__filterCriteria__filters=[{"pattern": json.dumps(pattern)}],
        **{
            STREAM_PARAMETERS + "startingPosition": "LATEST",
            STREAM_PARAMETERS + "batchSize": 10.0,
            STREAM_PARAMETERS + "maximumBatchingWindowInSeconds": 3.0,
            STREAM_PARAMETERS + "maximumRetryAttempts": 10.0,
            STREAM_PARAMETERS + "maximumRecordAgeInSeconds": 3600.0,
            STREAM_PARAMETERS + "onPartialBatchItemFailure": "AUTOMATIC_BISECT",
            STREAM_PARAMETERS + "parallelizationFactor": 4.0,
            STREAM_PARAMETERS + "deadLetterConfig": {"arn": QUEUE},
        },
    )
    assert PipeSettings.from_inputs(PIPE, declared) == settings(
        running=False,
        invocation_type="Event",
        patterns=(pattern,),
        starting_position="LATEST",
        batch_size=10,
        window_seconds=3,
        max_retries=10,
        max_record_age_seconds=3600,
        bisect=True,
        lanes=4,
    )


FAULTS: list[tuple[dict[str, Any], str]] = [
    (
        {"enrichment": FUNCTION},
        f"enrichment: the local run does not support this property of a pipe (value '{FUNCTION}')",
    ),
    ({"targetParameters__inputTemplate": "<$.x>"}, "targetParameters.inputTemplate: the local run does not support"),
    ({"targetParameters__sqsQueueParameters": {"a": 1}}, "targetParameters.sqsQueueParameters: the local run does not"),
    ({STREAM_PARAMETERS + "batchsize": 10}, "sourceParameters.dynamodbStreamParameters.batchsize: the local run does"),
    ({STREAM_PARAMETERS + "batchSize": 0}, "dynamodbStreamParameters.batchSize: must be from 1 to 10000, got 0"),
    ({STREAM_PARAMETERS + "batchSize": 1.5}, "dynamodbStreamParameters.batchSize: must be an integer, got 1.5"),
    ({STREAM_PARAMETERS + "batchSize": True}, "dynamodbStreamParameters.batchSize: must be an integer, got True"),
    ({STREAM_PARAMETERS + "parallelizationFactor": 11}, "parallelizationFactor: must be from 1 to 10, got 11"),
    (
        {STREAM_PARAMETERS + "startingPosition": "AT_TIMESTAMP"},
        "must be one of TRIM_HORIZON, LATEST, got 'AT_TIMESTAMP'",
    ),
    ({STREAM_PARAMETERS + "startingPosition": None}, "must be one of TRIM_HORIZON, LATEST, got None"),
    ({STREAM_PARAMETERS + "onPartialBatchItemFailure": "x"}, "must be one of AUTOMATIC_BISECT, got 'x'"),
    (
        {STREAM_PARAMETERS + "deadLetterConfig": {"arn": "arn:aws:sns:x"}},
        "deadLetterConfig.arn: must be an ARN of sqs",
    ),
    ({"source": "arn:aws:kinesis:x"}, "source: must be an ARN of dynamodb in the local run, got 'arn:aws:kinesis:x'"),
    ({"target": "arn:aws:states:x"}, "target: must be an ARN of lambda in the local run, got 'arn:aws:states:x'"),
    ({"sourceParameters__filterCriteria__filters": [{"pattern": "{"}]}, "filters[0].pattern: must be valid JSON"),
    ({"sourceParameters__filterCriteria__filters": [{"pattern": '{"a": 1}'}]}, "filters[0].pattern: a: must be a list"),
    (
        {"sourceParameters__filterCriteria__filters": [{"patern": "{}"}]},
        "filters[0].patern: the local run does not support",
    ),
    (
        {"sourceParameters__filterCriteria__filters": [{"pattern": "{}"}] * 6},
        "filters: must have at most 5 items, got 6",
    ),
]


@pytest.mark.parametrize(("changes", "message"), FAULTS, ids=[f[1] for f in FAULTS])
def test_faults_name_property_and_value(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PipeError) as caught:
        PipeSettings.from_inputs(PIPE, inputs(**changes))
    assert message in str(caught.value)
