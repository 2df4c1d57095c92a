"""What `git spacy init` does to a repository, and takes back: decided first, as values, then done.

`decision` says what is to be changed, `change` what that looks like, `act` does and undoes it and
`memory` keeps what was done, so that nothing is undone that a person has made his own since.
"""
