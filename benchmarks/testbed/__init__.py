"""Clips, fleets of processes, faults and loads: what benchmarks and tests set the engine up with.

Begin with `fleet`, then `chaos`.
"""
