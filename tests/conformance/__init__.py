"""One test a sentence of `docs/protocol.md`, on the embedded run.

A package, so that its stack ends with its last test and not with the whole run.
"""
