"""The decode child processes: the pool, what a child may do, and the messages between both sides. Begin with `pool`."""
