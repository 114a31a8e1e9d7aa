"""Recognises a file by its first bytes. Pure, without FFmpeg. Begin with `sniff`."""
