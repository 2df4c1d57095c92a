"""Do: run the commands that are not current, and record what came of it."""
