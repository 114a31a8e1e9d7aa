"""A topology at work for somebody: in this process, on a cluster, or one stage of it as a process.

Begin with `session`, then `embedded` and `cluster`.
"""
