"""Prepares pictures for models: colour, size, orientation, thumbnails. Begin with `colour`."""
