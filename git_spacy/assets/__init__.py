"""FETCH: the data that a project names, verified, or left as it was."""
