"""The routes of version 1, by noun: each says which action it is, and answers within one audited access.

Begin with `all_routes`.
"""
