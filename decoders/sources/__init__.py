"""Bytes behind a uri, checked against policy before the first one is read. Begin with `opening`."""
