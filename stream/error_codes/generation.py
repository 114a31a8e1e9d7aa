"""Codes of the media operators that generate pictures."""

from stream.error_codes.entry import ErrorCode, ErrorKind, bad_media, bad_request

GENERATION = (
    ErrorCode(
        "model_refused",
        (ErrorKind.BAD_REQUEST, ErrorKind.BAD_MEDIA),
        "A directory with a model is incomplete or damaged, or has links, or pickles or classes that are not loaded.",
        "Download it again as plain files with safetensors weights; the message says what is wrong with it.",
    ),
    bad_media(
        "model_failed",
        "A model raised an error, or gave numbers or pictures that cannot be used.",
        "Use a size, number of frames and guidance that the model is made for.",
    ),
    bad_media(
        "model_not_resumable",
        "The scheduler of a model makes another number of steps than asked for, or keeps what cannot be stored.",
        "Use a model with another scheduler, such as DDIM, Euler, UniPC or flow matching.",
    ),
    bad_media(
        "latents_unusable",
        "Latents are damaged, are none, are not denoised to the end, or were made by another model.",
        "Take the output of `generate` with the same model.",
    ),
    bad_request(
        "prompt_not_possible",
        "A prompt asks a model for what it cannot make, or does not say which of the things that it makes is wanted.",
        "Use the words that the message lists, or another model.",
    ),
)
