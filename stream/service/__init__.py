"""The search service: an HTTP API over the stores, in which every request has rights and an audit event.

What a search is does not belong here (`stream.search`), nor who may do what (`stream.access`). Begin reading in `app`.
"""
