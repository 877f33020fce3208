"""The code that the Lambda functions share, in one package per concern.

A package may import only packages that are below it in this list. There are two exceptions: `broadcast` does not import
`session`, and `access` does not import `submissions`.

- `broadcast` sends the changes in a batch of stream records to the connections of each tenant.
- `session` answers the requests of one connected client.
- `posting` posts frames to connections through API Gateway's @connections endpoint.
- `connections` stores connections and tenants in the connections table, and limits their rates.
- `wire` is the protocol `formbridge.v1`: requests, frames, cursors and subscription filters.
- `access` reads the handshake and verifies tokens.
- `submissions` parses events and stores submissions in the submissions table.
- `runtime` holds the parts that every package uses, such as AWS clients, environment variables, logs and keys.

Pure modules contain the rules and do no I/O. Adapters connect them to AWS, the environment, the clock and the logs. The
import contracts in `pyproject.toml` check the direction of the imports and list the pure modules and the adapters.
"""

import gc

# At a cold start, a Lambda function creates hundreds of thousands of long-lived objects, mostly modules and botocore's
# service models. By default Python runs a garbage collection after every 700 new objects. These collections take a
# fifth of the time of the cold start. With the higher threshold there are few of them.
gc.set_threshold(50_000, 20, 50)
