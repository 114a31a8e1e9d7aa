"""`rushes jobs`: variants from templates. `checking.py` looks ahead, `submitting.py` begins them, `looking.py` shows
them, `proving.py` checks manifests, `steering.py` changes jobs, `working.py` runs them on a cluster. Begin with
`group.py`.
"""
