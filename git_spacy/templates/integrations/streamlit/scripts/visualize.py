"""A browser app to try out trained pipelines: type a text, choose a model, see the entities.

streamlit run scripts/visualize.py -- MODELS [TEXT]

MODELS are paths or names of pipelines, separated by commas; TEXT is the initial text.
"""

from __future__ import annotations

import sys

import spacy_streamlit
import streamlit as st

if len(sys.argv) < 2:
    sys.exit("usage: streamlit run scripts/visualize.py -- MODELS [TEXT]")
MODELS = [name.strip() for name in sys.argv[1].split(",")]
DEFAULT_TEXT = sys.argv[2] if len(sys.argv) > 2 else ""

spacy_streamlit.visualize(
    MODELS,
    DEFAULT_TEXT,
    visualizers=["ner"],
    # Keep the theme: changing it uses a function that newer versions of Streamlit do not have.
    color=st.get_option("theme.primaryColor"),
)
