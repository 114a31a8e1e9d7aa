"""How old the footage is that waits, from beside the workers: offsets, backlog, rates and the replicas to want.

Nearly all of it is pure. Begin with `freshness`; `observer` feeds it.
"""
