"""The requests of one connected client and their replies."""
