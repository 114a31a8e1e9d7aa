"""Delivery files from any footage: pictures in parts of whole closed GOPs, sound as a part of its own, then one file.
Begin with `operator.py`; what can be delivered is the table in `profiles.py`.

Output time is a fixed grid: picture k is shown at k / rate, and is the last picture of the source that rounds to k or
before it. So parts need no knowledge of each other. Parts are files of packets (`packets.py`), which `muxing.py` gives
times from their place on the grid.
"""
