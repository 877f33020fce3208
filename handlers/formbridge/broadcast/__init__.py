"""Broadcasts: from changed submissions to the frames of every connection of a tenant."""
