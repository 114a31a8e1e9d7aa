"""Outgoing connections that are checked before they are made. All code that connects to a named host uses it.

Begin with `connect`.
"""
