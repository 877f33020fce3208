"""Connections: their rows and their tenants' rows in the connections table, and their rate limits."""
