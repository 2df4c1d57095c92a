"""Describe how results were made, in formats of others.

`facts` collects what is known; each other module writes it. Text of a project or a record is data
in all of them: it is escaped, and it is never a key or a link.
"""

from __future__ import annotations

FORMATS = {
    "rocrate": "git_spacy.provenance.ro_crate",
    "cyclonedx": "git_spacy.provenance.cyclonedx",
}
"""Format → module with `to_text(facts)`, and with MARK, a text that all its documents have."""
