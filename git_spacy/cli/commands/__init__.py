"""One module per command: its options, one call into the core, and how the result is shown."""
