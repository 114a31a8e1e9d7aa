"""What operators share that make new pictures of a film's pictures: reading them as arrays on a steady grid, motion
between neighbours, networks on one thread, and the lossless file with the sound of the source. No operator is here.
"""
