"""Pipelines of diffusion models as Hugging Face lays them out, on a CPU, from files that are on this machine.

Denoising is done in ranges of steps, each of which can be the work of another process (`stepping.py`). Decoding is a
stage of its own, as it takes other memory and can fail by itself. Begin with `latents.py`.
"""
