"""Generators of files for other tools: README.md, .gitignore, dvc.yaml, JSON Schema and graphs.

Each module turns a project into a `GeneratedFile`; only `writer` writes files.
"""
