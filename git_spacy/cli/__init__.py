"""The command line. Importing this package imports nothing: see `main` and `completion`."""
