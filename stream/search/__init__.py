"""The one application of search: a typed request in, a typed answer out. Whoever asks (the command line, a service, an
evaluation) parses and renders; nothing here prints.

Begin with `application`, then `request` and `answer`. Reading the index belongs to `sinks.query`.
"""
