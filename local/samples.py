"""Sample form submissions with random content."""

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
_MAX_RATING: Final = 5
_RECOMMEND_SHARE: Final = 0.7
"""The probability that a survey submission recommends the form."""
_NEWSLETTER_SHARE: Final = 0.4
"""The probability that a sign-up subscribes to the newsletter."""


def make_payload(form_id: str, rng: random.Random) -> dict[str, Any]:
    """Return a random payload with the fields of the form `form_id`.

    An unknown form gets the fields of a contact form.
    """
    name = rng.choice(_PEOPLE)
    email = f"{name.split()[0].lower()}@example.com"
    match form_id:
        case "survey":
            return {
                "rating": rng.randint(1, _MAX_RATING),
                "recommend": rng.random() < _RECOMMEND_SHARE,
                "comment": rng.choice(_COMMENTS),
            }
        case "signup":
            return {
                "name": name,
                "email": email,
                "plan": rng.choice(_PLANS),
                "newsletter": rng.random() < _NEWSLETTER_SHARE,
            }
        case _:
            return {
                "name": name,
                "email": email,
                "subject": rng.choice(_SUBJECTS),
                "message": rng.choice(_COMMENTS),
            }


def make_submissions(
    tenant_id: str, form_id: str, count: int, rng: random.Random | None = None
) -> Iterator[FormSubmission]:
    """Yield `count` submissions with random payloads.

    Without `rng`, the function uses a new random number generator.
    """
    rng = rng or random.Random()  # noqa: S311 - sample data
    for _ in range(count):
        yield FormSubmission(tenant_id=tenant_id, form_id=form_id, payload=make_payload(form_id, rng))
