"""Streaming packages of an encoded film: one set of CMAF tracks that HLS and DASH share, poster, sprites and an ad tag.

Every file has a fixed name, so that all of them can be uploaded to one folder as they are: a track is one file, of
which players read ranges. Nothing is encoded again. Begin with `operator.py`.
"""
