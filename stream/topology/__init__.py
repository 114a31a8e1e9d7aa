"""What runs, as data: stages, topics, lanes, and records as events. Nothing is started here.

Begin with `stage`, then `topology`.
"""
