"""One file a command: its options, what it calls, how it ends."""
