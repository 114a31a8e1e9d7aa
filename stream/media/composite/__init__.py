"""The operator `composite`: layers of footage, pictures, text and shapes become one lossless clip with its sound.

`operator.py` is the way in; `settings.py` and `layers.py` say what a template may ask. What draws a layer is in
`pictures`, `type` and `footage`; `timeline.py` and `placement.py` are pure. Delivery formats do not belong here.
"""
