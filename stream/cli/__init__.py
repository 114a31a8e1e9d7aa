"""The `rushes` command line. `commands` has one file per command, `options` what they share, `rendering` their output.

Begin with `app`.
"""
