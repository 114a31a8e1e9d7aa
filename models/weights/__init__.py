"""Pinned weights: the list, and how they are fetched. Begin with `pins`."""
