"""Tags, as every component takes them and passes them to each child that can have them."""

from collections.abc import Mapping

import pulumi

Tags = pulumi.Input[Mapping[str, pulumi.Input[str]]]
