"""From frames in order to cells: which of them are kept. Pure. Begin with `cells`."""
