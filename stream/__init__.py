"""The engine and what is composed of it. Each package says what belongs there; ARCHITECTURE.md has the table.

Begin with `stream.worker`, then `stream.pipelines.understanding`.
"""
