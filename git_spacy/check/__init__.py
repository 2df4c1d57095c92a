"""Checks of a project as it is committed, for people, hooks and CI. They only read."""
