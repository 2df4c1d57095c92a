"""Fingerprints, project.lock, the run history, and the verdict on each command."""
