"""The rule for names of stacks. The program and the operators' commands share it."""

import re
from typing import Final

MAX_STACK_NAME: Final = 9
"""Maximum length of a stack's name. It is in every physical name, and AWS limits the length of those
(docs/adr/0045)."""
PREVIEW_ENVIRONMENT: Final = "preview"
"""The environment of preview.yml. Its jobs run the code of pull requests, and could assume the deploy role of a stack
with this name."""
STACK_NAME_RULE: Final = (
    f"must be at most {MAX_STACK_NAME} lower-case letters and digits that begin with a letter, and not "
    f"{PREVIEW_ENVIRONMENT!r}"
)
"""The rule as an error says it."""
_SHAPE: Final = re.compile(rf"[a-z][a-z0-9]{{,{MAX_STACK_NAME - 1}}}")
"""Names of which none is the beginning of a physical name of another stack: they contain no hyphen."""


def is_stack_name(name: str) -> bool:
    """Return whether a stack may have the name."""
    return _SHAPE.fullmatch(name) is not None and name != PREVIEW_ENVIRONMENT
