"""Sentences for pictures. Begin with `captioners`."""
