"""The operator `upscale`: a film in twice or four times its size, by a network (SPAN). `operator.py` is the way in."""
