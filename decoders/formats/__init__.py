"""What a file is, told from its first bytes. Pure; FFmpeg is not asked. Begin with `sniff`."""
