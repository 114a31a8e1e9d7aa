"""Threads, child processes, temporary folders and memory of this process. Begin with `threads`."""
