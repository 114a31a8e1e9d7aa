"""Media operators: each turns settings and input files into output files, for one stage of a job. What belongs here is
the work on pictures and sound itself; who runs it, when and how often is `stream.jobs`. Begin with `protocol.py`.
"""

REGISTRY: dict[str, str] = {
    "composite": "stream.media.composite.operator:Composite",
    "decode-latents": "stream.media.generate.diffusion.decoding:DecodeLatents",
    "generate": "stream.media.generate.operator:Generate",
    "interpolate": "stream.media.interpolate.operator:Interpolate",
    "package": "stream.media.package.operator:Package",
    "restyle": "stream.media.restyle.operator:Restyle",
    "transcode": "stream.media.transcode.operator:Transcode",
    "upscale": "stream.media.upscale.operator:Upscale",
}
"""Name of an operator in templates to `module:Class`. One line makes an operator known to jobs, documents and tests."""
