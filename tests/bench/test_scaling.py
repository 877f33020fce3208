from __future__ import annotations

from dataclasses import replace

import pytest

from bench import arithmetic, scaling
from bench.arithmetic import Deployment, client_requests_per_second, frames_of
from bench.scaling import DEPLOYMENTS, TENANTS
from bench.simulation import Simulation
from formbridge import protocol
from formbridge.submission import Submission


@pytest.mark.parametrize("connections", TENANTS)
@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_simulation_and_the_arithmetic_say_the_same_of_one_update(name: str, connections: int) -> None:
    seconds = scaling.simulated(DEPLOYMENTS[name], connections)

    assert seconds == pytest.approx(DEPLOYMENTS[name].seconds_to_last(connections), rel=0.1, abs=0.25)


@pytest.mark.parametrize(
    "connections",
    [
        pytest.param(3_000, id="the broadcast Lambda posts"),
        pytest.param(20_000, id="through the queue"),
    ],
)
def test_what_fits_by_arithmetic_fits_in_the_simulation_and_a_third_more_does_not(connections: int) -> None:
    deployment = Deployment(batch_size=10)
    rate = deployment.updates_per_second(connections, 10)
    if deployment.is_divided(connections):
        deployment = replace(deployment, batching_window_seconds=deployment.window_needed(connections))
    seconds = 400

    def left_waiting(rate: float) -> int:
        simulation = Simulation(deployment, connections)
        simulation.run([number / rate for number in range(int(rate * seconds))], until=seconds)
        return simulation.waiting

    # What is left at the end is what is under way; beyond the rate, it is all that did not fit.
    assert left_waiting(rate * 0.75) < 0.1 * rate * seconds
    assert left_waiting(rate * 1.33) > 0.2 * rate * seconds


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

    assert protocol.size(submission.update("modify")) == pytest.approx(arithmetic.UPDATE_BYTES, rel=0.05)


def test_a_frame_holds_ninety_updates_and_not_a_hundred() -> None:
    assert (frames_of(1), frames_of(90), frames_of(100)) == (1, 1, 2)


def test_a_simulation_of_the_same_seed_is_the_same() -> None:
    times = [0.0, 0.3, 0.4, 2.0]

    assert Simulation(Deployment(), 20_000, seed=3).run(times) == Simulation(Deployment(), 20_000, seed=3).run(times)


def test_the_page_has_the_tables_that_the_command_makes() -> None:
    written = scaling.PAGE.read_text()

    assert scaling.page(written) == written, "python -m bench.scaling"


def test_a_page_without_the_place_for_a_table_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match=r"scaling\.md: must have the markers of `reach` once, got 0"):
        scaling.page(scaling.PAGE.read_text().replace("<!-- reach -->", ""))
