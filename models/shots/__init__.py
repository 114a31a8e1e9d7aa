"""Finds shot boundaries and cuts cells into moments there. Begin with `transnet_v2`."""
