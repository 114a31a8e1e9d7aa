"""Deployment artifacts as pure functions of the topology and of the metric definitions: nothing here is started."""
