"""Errors that the user of the local run can correct; each message says how."""

from __future__ import annotations


class ConfigError(Exception):
    """Invalid project or configuration. The message names the file or key and the allowed values."""


class ProgramError(Exception):
    """Failure of the Pulumi program.

    The message names the resource and its property, or the line of the program that raised the exception.
    """
