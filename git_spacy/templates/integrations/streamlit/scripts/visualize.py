"""A browser app to try out trained pipelines: type a text, and see the entities that a model finds,
or those of two models side by side.

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


def show_model() -> None:
    """Show the entities of one model, and its configuration."""

    spacy_streamlit.visualize(
        MODELS,
        DEFAULT_TEXT,
        visualizers=["ner"],
        # Keep the theme: changing it uses a function that newer versions of Streamlit do not have.
        color=st.get_option("theme.primaryColor"),
    )


def compare_models() -> None:
    """Show the entities of two models side by side, and those that only one of them finds."""

    st.set_page_config(layout="wide")
    text = st.text_area("Text to analyze", DEFAULT_TEXT)
    found = []
    for number, column in enumerate(st.columns(2)):
        with column:
            name = st.selectbox("Model", MODELS, index=number, key=f"model-{number}")
            doc = spacy_streamlit.process_text(name, text)
            labels = spacy_streamlit.load_model(name).get_pipe("ner").labels
            spacy_streamlit.visualize_ner(doc, labels=labels, title=None, key=f"ner-{number}")
            found.append({(ent.start_char, ent.end_char, ent.label_, ent.text) for ent in doc.ents})
    st.subheader("Differences")
    only_one = sorted(found[0] ^ found[1])
    rows = [
        {"text": entity[3], "label": entity[2], "only": "left" if entity in found[0] else "right"}
        for entity in only_one
    ]
    if rows:
        st.table(rows)
    else:
        st.write("Both models find the same entities.")


if len(MODELS) == 1:
    show_model()
else:
    compare_models()
