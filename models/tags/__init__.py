"""Tags of a picture. Begin with `imagenet`."""
