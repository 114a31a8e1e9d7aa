"""The `rushes` command line."""
