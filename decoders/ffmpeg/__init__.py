"""Containers, streams and frames through FFmpeg, and their times. Runs inside a child. Begin with `decoder`."""
