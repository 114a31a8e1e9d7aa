"""The operators of the stages: events in, events out. What they work with is handed to them.

No decoder, model or store is imported here; `stream.pipelines` brings them together. Begin with `plan`.
"""
