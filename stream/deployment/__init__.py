"""Deployment artifacts as pure functions of the topology and the metric definitions. Nothing here starts a process."""
