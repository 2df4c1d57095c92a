"""Run project commands that are not up to date, and record the results."""
