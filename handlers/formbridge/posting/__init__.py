"""Posting frames to connections through API Gateway's @connections endpoint."""
