"""spaCy projects, native to Git. Imports nothing, since every hook pays for an import here."""

__version__ = "0.1.0"
