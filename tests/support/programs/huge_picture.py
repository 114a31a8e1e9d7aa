"""Reads a small file with 100 million pixels, and prints how many rows came of it and how many MiB that took."""

import io
import resource

from PIL import Image

from models.pictures.files import pixels_of

made = io.BytesIO()
Image.new("1", (9_999, 9_999)).save(made, "PNG")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = pixels_of(made.getvalue())
print(found.shape[0], (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
