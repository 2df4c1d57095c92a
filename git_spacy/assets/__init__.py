"""Fetch: decide for each asset, then bring it beside its place, verify it, and swap it in."""
