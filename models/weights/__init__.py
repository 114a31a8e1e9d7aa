"""Pinned weights: which they are, and fetching them. Begin with `pins`."""
