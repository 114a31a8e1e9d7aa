"""Turns pictures and words into vectors of one space. Begin with `two_tower`."""
