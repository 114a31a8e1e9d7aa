"""The `rushes` command line. `commands` has one file a command, `options` what they share, `rendering` what they print.

Begin with `app`.
"""
