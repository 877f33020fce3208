"""Revocations: tenants, users, sessions and tokens whose connections the gateway refuses."""
