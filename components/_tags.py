"""The type of the input `tags`. A component passes its tags to each child resource that supports tags."""

from collections.abc import Mapping

import pulumi

Tags = pulumi.Input[Mapping[str, pulumi.Input[str]]]
"""Values of tags by key."""
