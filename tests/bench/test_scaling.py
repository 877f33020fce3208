from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import arithmetic, scaling
from bench.arithmetic import (
    SEND_SECONDS,
    STREAM_SHARDS,
    Deployment,
    client_requests_per_second,
    count_frames,
    counting_seconds,
    messages_per_second,
)
from bench.scaling import BATCHES, DEFAULT, DEPLOYMENTS, TENANTS, WIDE
from bench.simulation import Simulation
from components._queue_mapping import FUNCTION_SECONDS
from formbridge.submissions.submission import Submission
from formbridge.wire import protocol


@pytest.mark.parametrize("connections", TENANTS)
@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_simulation_and_the_arithmetic_say_the_same_of_one_update(name: str, connections: int) -> None:
    seconds = scaling.simulated(DEPLOYMENTS[name], connections)

    assert seconds == pytest.approx(DEPLOYMENTS[name].seconds_to_last(connections), rel=0.1, abs=0.25)


@pytest.mark.parametrize("connections", [1_000, 20_000])
@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_simulation_and_the_arithmetic_say_the_same_of_a_burst(name: str, connections: int) -> None:
    deployment = replace(DEPLOYMENTS[name], batch_size=1_000)
    burst = 2_400  # about 600 in each shard of the stream, which are 7 frames

    seconds = max(Simulation(deployment, connections).run([0.0] * burst))

    assert deployment.is_divided(connections, 7)
    at_least = STREAM_SHARDS / deployment.batches_per_second(connections, 7)
    # The last part may be posted while all other Lambdas are idle; before it come polls, queue and handing over.
    assert at_least * 0.95 < seconds < at_least + deployment.posting_seconds(connections, 7) + 1


@pytest.mark.parametrize(
    ("connections", "batch"),
    [
        pytest.param(3_000, 10, id="the broadcast Lambda posts"),
        pytest.param(1_000, 1_000, id="full batches go through the queue"),
        pytest.param(20_000, 10, id="all goes through the queue"),
    ],
)
def test_what_fits_by_arithmetic_fits_in_the_simulation_and_a_third_more_does_not(connections: int, batch: int) -> None:
    deployment = Deployment(batch_size=batch)
    rate = deployment.updates_per_second(connections, batch)
    window = deployment.window_needed(connections, count_frames(batch))
    deployment = replace(deployment, batching_window_seconds=window)
    seconds = 400

    def left_waiting(rate: float) -> int:
        simulation = Simulation(deployment, connections)
        simulation.run([number / rate for number in range(int(rate * seconds))], until=seconds)
        return simulation.waiting

    # What is left at the end is what is under way; beyond the rate, it is all that did not fit.
    assert left_waiting(rate * 0.75) < 0.1 * rate * seconds
    assert left_waiting(rate * 1.33) > 0.2 * rate * seconds


@given(
    connections=st.integers(1, 1_000_000),
    updates=st.integers(1, 10_000),
    threshold=st.integers(100, 100_000),
    shards=st.integers(1, 64),
)
def test_no_invocation_makes_more_posts_than_the_threshold(
    connections: int, updates: int, threshold: int, shards: int
) -> None:
    deployment = Deployment(fanout_threshold=threshold, connection_shards=shards)
    frames = count_frames(updates)

    # A connection's frames are not divided.
    assert deployment.posts(connections, frames) <= max(threshold, frames)
    assert deployment.spans(connections, frames) * deployment.span(frames) >= deployment.rows(connections)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("connections", TENANTS)
@pytest.mark.parametrize("deployment", DEPLOYMENTS.values(), ids=DEPLOYMENTS)
def test_no_invocation_takes_longer_than_its_lambda_may(deployment: Deployment, connections: int, batch: int) -> None:
    frames = count_frames(batch)

    assert deployment.posting_seconds(connections, frames) < 0.6 * FUNCTION_SECONDS
    assert deployment.dividing_seconds(connections, frames) < FUNCTION_SECONDS


def test_each_message_on_the_queue_is_charged_to_the_lambda_that_sends_it() -> None:
    few, many = Deployment(connection_shards=4), Deployment(connection_shards=64)

    assert many.broadcast_seconds(20_000) - few.broadcast_seconds(20_000) == pytest.approx(60 * SEND_SECONDS)
    assert Deployment().dividing_seconds(1_000_000) > 200 * SEND_SECONDS + counting_seconds(1_000_000, 5_000)


def test_the_simulation_has_a_lambda_send_one_message_after_another_too() -> None:
    deployment = Deployment(fanout_concurrency=64, connection_shards=64)

    assert scaling.simulated(deployment, 6_400) == pytest.approx(deployment.seconds_to_last(6_400), abs=0.25)


def test_a_million_clients_send_what_the_wide_stage_takes_and_not_what_it_takes_as_it_comes() -> None:
    assert WIDE.max_connections_per_tenant >= TENANTS[-1] > DEFAULT.max_connections_per_tenant
    assert WIDE.rate_limit > messages_per_second(TENANTS[-1]) > DEFAULT.rate_limit


def test_where_the_shares_exceed_what_clients_leave_of_the_quota_posts_wait_for_it() -> None:
    within, beyond = Deployment(fanout_concurrency=40), Deployment(fanout_concurrency=40, posts_per_second=18_000)

    assert beyond.seconds_to_last(200_000) > within.seconds_to_last(200_000) * 0.75
    assert Simulation(beyond, 200_000).run([0.0])[0] == pytest.approx(beyond.seconds_to_last(200_000), rel=0.1)


def test_clients_alone_use_up_the_quota_at_two_and_a_half_million_connections() -> None:
    assert client_requests_per_second(2_500_000) == pytest.approx(10_000, rel=0.01)


def test_an_update_is_of_the_size_that_the_sums_assume() -> None:
    submission = Submission(
        tenant_id="t_acme",
        submission_id="0f9b2c4e-1111-4222-8333-444455556666",
        form_id="contact",
        status="processing",
        version=3,
        submitted_at="2026-11-22T20:00:00.000Z",
        updated_at="2026-11-22T20:00:00.000Z",
    )

    assert protocol.measure_update(submission.build_update("modify")) == pytest.approx(
        arithmetic.UPDATE_BYTES, rel=0.05
    )


def test_a_frame_holds_ninety_updates_and_not_a_hundred() -> None:
    assert (count_frames(1), count_frames(90), count_frames(100)) == (1, 1, 2)


def test_a_simulation_of_the_same_seed_is_the_same() -> None:
    times = [0.0, 0.3, 0.4, 2.0]

    assert Simulation(Deployment(), 20_000, seed=3).run(times) == Simulation(Deployment(), 20_000, seed=3).run(times)


def test_the_page_has_the_tables_that_the_command_makes() -> None:
    written = scaling.PAGE.read_text()

    assert scaling.page(written) == written, "python -m bench.scaling"


def test_a_page_without_the_place_for_a_table_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match=r"scaling\.md: must have the markers of `reach` once, got 0"):
        scaling.page(scaling.PAGE.read_text().replace("<!-- reach -->", ""))
