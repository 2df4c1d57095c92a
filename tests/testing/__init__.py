"""Shared helpers of the tests: repositories, projects, servers, terminals."""
