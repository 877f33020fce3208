"""Made-up form submissions."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

from .bus import FormSubmission

if TYPE_CHECKING:
    from collections.abc import Iterator

_PEOPLE: Final = (
    "Ada Palmer",
    "Bao Nguyen",
    "Chiara Rossi",
    "Deniz Çelik",
    "Efua Mensah",
    "Jürgen Weiß",
    "Mei Tanaka",
)
_SUBJECTS: Final = ("Pricing", "A broken link", "Delivery to Norway", "Invoice 2026-118", "Feature request", "Thanks!")
_COMMENTS: Final = (
    "Quick and friendly.",
    "The form was too long.",
    "Exactly what I needed.",
    'Says "error 7" on save.',
)
_PLANS: Final = ("free", "team", "business")


def make_payload(form_id: str, chance: random.Random) -> dict[str, Any]:
    """What a person might have entered into this form."""
    name = chance.choice(_PEOPLE)
    email = f"{name.split()[0].lower()}@example.com"
    match form_id:
        case "survey":
            return {
                "rating": chance.randint(1, 5),
                "recommend": chance.random() < 0.7,
                "comment": chance.choice(_COMMENTS),
            }
        case "signup":
            return {"name": name, "email": email, "plan": chance.choice(_PLANS), "newsletter": chance.random() < 0.4}
        case _:
            return {
                "name": name,
                "email": email,
                "subject": chance.choice(_SUBJECTS),
                "message": chance.choice(_COMMENTS),
            }


def make_submissions(
    tenant_id: str, form_id: str, count: int, chance: random.Random | None = None
) -> Iterator[FormSubmission]:
    """`count` different made-up submissions."""
    chance = chance or random.Random()  # noqa: S311 - made-up data
    for _ in range(count):
        yield FormSubmission(tenant_id=tenant_id, form_id=form_id, payload=make_payload(form_id, chance))
