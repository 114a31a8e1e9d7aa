"""The media operators `generate` and `decode-latents`: pictures that a model makes, as a clip or as latents first.

Networks with weights of their own are here (`label_gan.py`, `terrain.py`), and pipelines of diffusion models as
Hugging Face lays them out (`diffusion`). Begin with `operator.py`.
"""
