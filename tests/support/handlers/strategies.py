"""What Hypothesis draws from."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

ANY_TEXT: Final = st.text(alphabet=st.characters())
"""Lone surrogates too, which JSON can say and UTF-8 cannot."""

JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
"""Any value that JSON can hold, and infinities, which Python's reads."""
