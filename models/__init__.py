"""Frames to meaning: weights, shots, tags, moderation, embeddings and captions.

One registry per family; an entry is `module:Class`, loaded only when used. Importing this package loads no torch.
"""
