"""Pictures and words as vectors of one space. Begin with `two_tower`."""
