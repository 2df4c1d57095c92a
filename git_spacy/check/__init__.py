"""What is wrong with a project as it is committed: checks that only read, for people and hooks."""
