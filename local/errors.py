"""What a person can get wrong, as errors whose messages are written for that person."""

from __future__ import annotations


class ConfigError(Exception):
    """The project or its configuration cannot be used; the message names the file or key, and what is allowed."""


class ProgramError(Exception):
    """The Pulumi program cannot be run here; the message names the resource and property, or the line that raised."""
