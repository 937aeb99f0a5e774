"""A department's load for hours: what is sent, by whom it is watched, and what became of the service."""
