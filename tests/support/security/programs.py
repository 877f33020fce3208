"""The program in the configurations whose security is stated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support.program.whole_program import declare

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.components.harness import Recording

CONFIGURATIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "Default": {},
    "Strict": {
        "hardened": "true",
        "protectData": "true",
        "logRetentionDays": "365",
        "webAclArn": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/shared/1a2b3c4d",
    },
}
"""Settings by the name of the configuration. `Strict` is what the settings can do for security.

Reserved concurrency is left out, because no rule passes with the five Lambdas that have a setting for it.
"""


def record() -> dict[str, Recording]:
    """What the program declares in each configuration."""
    return {name: declare(preview=False, **settings) for name, settings in CONFIGURATIONS.items()}
