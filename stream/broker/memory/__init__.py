"""The broker of one process: no files, no network. Begin with `broker`."""
