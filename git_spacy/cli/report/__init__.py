"""`git spacy report`: what it reads, and how it is shown as a page and as a comment."""
