"""Pictures as models see them: colour, size, orientation, thumbnails. Begin with `colour`."""
