from __future__ import annotations

import json
import random

import pytest

from local.samples import make_submissions


@pytest.mark.parametrize("form", ["contact", "survey", "signup", "something-else"])
def test_made_up_submissions_differ(form: str) -> None:
    some = list(make_submissions("t_acme", form, 20, random.Random(1)))
    assert len({one.submission_id for one in some}) == 20
    assert len({json.dumps(one.payload) for one in some}) > 5
