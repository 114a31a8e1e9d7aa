"""Threads, child processes, temporary folders and memory of a process. Begin with `threads`."""
