"""What is said of latents that cannot be used (pure)."""

from stream.errors import BadMedia


def latents_unusable(problem: str) -> BadMedia:
    return BadMedia(f"the latents cannot be used: {problem}; make them again", code="latents_unusable")
