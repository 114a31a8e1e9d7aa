"""From frames in display order to cells: chooses the frames that are kept. Pure. Begin with `cells`."""
