"""The generated pages: each is current, and lists every input."""

from __future__ import annotations

from pathlib import Path

from docs import generate

ROOT = Path(__file__).parents[2]


def test_the_page_of_the_components_is_current() -> None:
    assert (ROOT / "docs" / "components.md").read_text() == generate.render_components_page(), (
        "write it anew: make docs"
    )


def test_the_page_lists_each_input_of_a_group() -> None:
    page = generate.render_components_page()

    for row in (
        "| `limits.max_frame_bytes` | number |",
        "| **`access.issuer`** | string |",
        "| **`sign_in.client_id`** |",
    ):
        assert row in page


def test_the_page_of_the_settings_is_current() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == generate.render_settings_page(), "write it anew: make docs"


def test_the_policies_are_current() -> None:
    files = {path.name: path.read_text() for path in (ROOT / "docs" / "iam").iterdir()}

    assert files == generate.render_policies(), "write them anew: make docs"
