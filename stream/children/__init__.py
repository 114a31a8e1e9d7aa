"""Child processes for work on strangers' files: their start and end, messages with them, what the kernel refuses them.

What a child computes does not belong here. Begin with `process.py`.
"""
