"""Jobs: a template and its rows become variants, a variant runs through stages, and a stage is done in parts.

What belongs here is pure: what a template may say (`template.py`), which variants it has (`expansion.py`), what decides
the bytes of a result (`keys.py`), and what is to be done next (`turns.py`, `coordination.py`). What pictures and sound
become is `stream.media`; where objects and states lie is `sinks`. Begin with `template.py`.
"""
