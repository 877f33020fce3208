"""Broadcasts, which post changes of submissions to the connections of their tenants."""
