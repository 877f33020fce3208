"""The wire protocol formbridge.v1: requests, frames, cursors and subscription filters."""
