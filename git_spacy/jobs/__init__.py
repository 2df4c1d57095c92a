"""Runs that go on without this machine: jobs of a Ray cluster."""
