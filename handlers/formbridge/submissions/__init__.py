"""Submissions: the events that create and change them, and the submissions table."""
