"""Local execution of EventBridge pipes from a DynamoDB stream to a Lambda function.

The emulator stores pipes but delivers no records to Lambda. This package delivers the records as a real pipe does: with
the declared filter, ordered batches, retries with backoff, bisection, a maximum record age and partial batch failures.
For dropped records, it sends a dead letter that names their position in the stream.

- `settings` reads the declared properties of a pipe.
- `delivery` filters, batches and delivers the records of a shard.
- `runner` reads the stream and passes its records to `delivery`.
- `direct_client` calls the emulator's streams and functions.
"""

from .runner import PipeRunner
from .settings import PipeError, PipeSettings

__all__ = ["PipeError", "PipeRunner", "PipeSettings"]
