"""Error for an input or a setting that is not allowed."""

import pulumi


class InputError(pulumi.RunError, pulumi.InputPropertyError, ValueError):
    """Error: an input is not allowed. The message is one line that names the input, the allowed values and the value.

    In a program, Pulumi's CLI prints the message of a `RunError` without a traceback. In a component provider, Pulumi's
    engine shows the name of the property of an `InputPropertyError`. For other callers it is a `ValueError`.

    Args:
        property_path: Name of the input or setting, such as `limits.rate_limit` or `retentionDays`.
        reason: What the value must be, and the value: `must be <what>, got <value>`.
    """

    def __str__(self) -> str:
        return f"{self.property_path}: {self.reason}"

    def without_value(self) -> "InputError":
        """Return the error for a value that is a secret: it ends with `got a secret` instead of the value."""
        return InputError(self.property_path, f"{self.reason.partition(', got ')[0]}, got a secret")
