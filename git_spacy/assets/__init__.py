"""Fetch and verify the assets of a project."""
