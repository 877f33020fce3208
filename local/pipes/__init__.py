"""EventBridge pipes from a DynamoDB stream to a Lambda function, run as the program declared them.

The emulator stores pipes but delivers no records to Lambda. This package delivers them with the semantics of a real
pipe: the declared filter, ordered batches, retries with backoff, bisection, a maximum record age, partial batch
failures, and dead-letter messages that say where in the stream the dropped records are.

- `settings` reads the declared properties of a pipe.
- `delivery` filters, batches and delivers the records of a shard.
- `runner` reads the stream and passes its records to `delivery`.
- `direct_client` calls the emulator's streams and functions.
"""

from .runner import PipeRunner
from .settings import PipeError, PipeSettings

__all__ = ["PipeError", "PipeRunner", "PipeSettings"]
