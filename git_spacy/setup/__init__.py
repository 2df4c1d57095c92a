"""Set up a repository for git-spacy, and undo that: the core of `git spacy init`.

`plan` decides what to change, `changes` are the values for that, `apply` makes the changes and
`journal` records them, so that `undo` leaves alone what a person has edited since.
"""
