"""What each error code means and what to do about it, for documents, the command line and later the service.

Raising errors does not belong here: that is `stream.errors`. Begin reading in `table.py`; each other file holds the
rows of one subject. A test finds a code without a row and a row without a use.
"""
