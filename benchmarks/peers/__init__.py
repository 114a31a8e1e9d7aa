"""The same footage through other engines: each peer is a small script that runs in an environment of its own."""
