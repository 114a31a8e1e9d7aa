"""Shot boundaries, and cells cut into moments by them. Begin with `transnet_v2`."""
