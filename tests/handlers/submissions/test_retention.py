from __future__ import annotations

from components import _dead_letters, submission_ingest
from formbridge.submissions import retention


def test_dead_letters_and_retries_last_as_long_as_the_replay_horizon_assumes() -> None:
    assert retention.DEAD_LETTER_DAYS * 24 * 3600 == _dead_letters.RETENTION_SECONDS
    assert submission_ingest.RETRY_SECONDS <= retention.RETRY_DAYS * retention.SECONDS_PER_DAY


def test_the_row_of_a_deleted_submission_outlives_every_replay_whatever_the_clocks_say() -> None:
    skew_days = submission_ingest.MAX_CLOCK_SKEW_SECONDS / retention.SECONDS_PER_DAY
    assert retention.REPLAY_DAYS + skew_days < retention.TOMBSTONE_DAYS
    assert retention.DEAD_LETTER_DAYS + retention.RETRY_DAYS < retention.REPLAY_DAYS


def test_no_event_may_be_older_than_the_rows_that_it_could_create() -> None:
    assert retention.compute_max_age_days(0) == retention.REPLAY_DAYS
    assert retention.compute_max_age_days(3) == 3
    assert retention.compute_max_age_days(365) == retention.REPLAY_DAYS
