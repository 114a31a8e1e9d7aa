"""Codes of the media operators that generate pictures."""

from stream.error_codes.entry import bad_request

GENERATION = (
    bad_request(
        "prompt_not_possible",
        "A prompt asks a model for what it cannot make, or does not say which of the things that it makes is wanted.",
        "Use the words that the message lists, or another model.",
    ),
)
