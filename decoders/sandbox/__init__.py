"""The decode children: the pool, what a child may do, and how both sides talk. Begin with `pool`."""
