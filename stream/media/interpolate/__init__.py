"""The operator `interpolate`: a film with more pictures a second, by the motion between its pictures. `operator.py` is
the way in; `between.py` makes one picture.
"""
