"""Objects by content: the files that jobs read and make, which results are known, and small documents about jobs.

Begin with `store.py`; `backends.py` has the two kinds of places, a directory and an object store.
"""
