"""The type of the input `tags`. A component passes its tags to each child resource that supports tags."""

from collections.abc import Mapping

import pulumi

Tags = pulumi.Input[Mapping[str, pulumi.Input[str]]]
"""Tags of a resource: the value of each tag by its key."""
