"""`rushes jobs`: variants from templates. `submitting.py` begins them, `looking.py` shows them, `steering.py` changes
them, `working.py` runs them on a cluster. Begin with `group.py`.
"""
