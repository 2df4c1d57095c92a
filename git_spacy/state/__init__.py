"""What is there, and what was: fingerprints, the stat index, project.lock and the verdict."""
