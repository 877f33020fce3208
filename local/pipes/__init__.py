"""An EventBridge pipe, run from a DynamoDB stream to a Lambda function, as the program declared it.

The emulator keeps pipes but delivers nothing to Lambda, so the local run does, with the real pipe's semantics: the
declared filter, batches in order, retries with backoff, bisection, record age, partial batch failures, and a
dead-letter message that says where in the stream the given-up records are. `settings` reads what was declared,
`delivery` is what a pipe does with the records of a shard, `runner` reads the stream and feeds it.
"""

from .runner import PipeRunner
from .settings import PipeError, PipeSettings

__all__ = ["PipeError", "PipeRunner", "PipeSettings"]
