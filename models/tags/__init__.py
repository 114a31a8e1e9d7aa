"""Tags for pictures. Begin with `imagenet`."""
