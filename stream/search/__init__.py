"""The application of search: it takes a typed request and returns a typed answer. The caller (the command line, a
service, an evaluation) parses and renders; nothing here prints.

Begin with `application`, then `request` and `answer`. `sinks.query` reads the index.
"""
