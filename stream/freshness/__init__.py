"""How old the waiting footage is, seen from outside the workers: offsets, backlog, rates and desired replicas.

Nearly all of it is pure. Begin with `freshness`; `observer` feeds it.
"""
