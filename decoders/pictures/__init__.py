"""One decoded frame as the pictures that are kept of it: size, orientation, colour. Begin with `rescale`."""
