"""Outgoing connections that are checked before they are made. Whoever opens a socket to a named host does it here.

Begin with `connect`.
"""
