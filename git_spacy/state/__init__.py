"""What exists: fingerprints of files, where they are read, and the verdict on each command."""
