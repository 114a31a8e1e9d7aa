"""Footage that callers publish where it lies: accepted, kept until it is handed on. Begin with `publications`. No bytes
of footage: those are in `uploads`.
"""
