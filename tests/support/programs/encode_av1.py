"""Encodes one picture as AV1 and prints how many packets there are, and how the threads are scheduled then."""

import os
from fractions import Fraction
from pathlib import Path

import av

from stream.children.scheduling import schedule_as_others_do

encoder = av.CodecContext.create("libsvtav1", "w")
encoder.width, encoder.height, encoder.pix_fmt = 64, 64, "yuv420p"
encoder.framerate, encoder.time_base = Fraction(25), Fraction(1, 25)
encoder.open()
schedule_as_others_do()
picture = av.VideoFrame(64, 64, "yuv420p")
picture.pts = 0
packets = [*encoder.encode(picture), *encoder.encode(None)]
threads = [int(path.name) for path in Path("/proc/self/task").iterdir()]
print(len(packets), *{os.sched_getscheduler(thread) for thread in threads})
