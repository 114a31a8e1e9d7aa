"""From one decoded frame to the pictures that are kept of it: size, orientation, colour. Begin with `rescale`."""
