"""Footage to frames: source access, content identity, probing, span planning and sandboxed decoding."""

REGISTRY = {"pyav": "decoders.ffmpeg.decoder:PyAVDecoder"}
