"""What the Lambdas think with.

A pure core (`submission`, `protocol`, `cursor`, `handshake`, `authentication`, `session`, `fanout`), and the adapters
that touch AWS (`submissions`, `registry`, `posting`, `dead_letters`). `filters` so far serves the
components' checks and the local pipe.
"""
