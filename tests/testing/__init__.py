"""Builders and servers for the tests: real repositories, real protocols, misbehaving on demand."""
