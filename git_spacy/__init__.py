"""spaCy projects, native to Git. Imports nothing: every import here is paid by every hook."""

__version__ = "0.1.0"
