"""Captions: a template over tags, or an image-to-text checkpoint. A template is always marked as one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.device.device import limit_threads, ready_device
from models.protocol import Image
from models.registry import ModelContext
from models.weights.hugging_face import checkpoint_digest, checkpoint_dir, from_checkpoint, network_from, quiet_loading
from stream.events.annotations import ModelStamp

TEMPLATE_METHOD = "template"
# One sentence. Without a limit a decoder may repeat itself until its context is full.
MAX_NEW_TOKENS = 40
INSTRUCTION = "Describe this picture in one sentence."
FLORENCE_TASK = "<CAPTION>"


def template_caption(tags: Sequence[tuple[str, float]]) -> str:
    """A sentence from the three most probable tags. "Possibly" is in it because tags are guesses."""
    names = [label for label, _ in tags[:3]]
    if not names:
        return "Nothing recognised."
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"Possibly {listed}."


class HuggingFaceCaptioner:
    """`hf:DIR`, any directory that transformers' AutoModelForImageTextToText loads (BLIP, GIT, Florence-2, SmolVLM…).

    Local files only, safetensors only, no remote code. Decodes greedily, one image at a time, so a result does not
    depend on other images.
    """

    def __init__(self, context: ModelContext) -> None:
        self._directory: Path = checkpoint_dir(context.argument)
        self._context = context
        self._device = context.device
        self._processor: Any = None
        self._network: Any = None

    @property
    def method(self) -> str:
        return self._directory.name

    def stamp(self) -> ModelStamp:
        return ModelStamp(
            role="captions", name=self._directory.name, version="1", digest=checkpoint_digest(self._directory)
        )

    def open(self) -> None:
        limit_threads(self._context)
        quiet_loading()
        from transformers import AutoModelForImageTextToText, AutoProcessor

        self._processor = from_checkpoint(AutoProcessor, self._directory)
        self._network = network_from(AutoModelForImageTextToText, self._directory, ready_device(self._context))

    def close(self) -> None:
        self._processor = self._network = None

    def caption(self, images: Sequence[Image]) -> list[str]:
        return [self._caption(image) for image in images]

    def _caption(self, image: Image) -> str:
        import torch
        from PIL import Image as Pillow

        # Pillow pictures: of an array, transformers guesses which axis holds the channels.
        inputs = self._processor(images=[Pillow.fromarray(image)], return_tensors="pt", **self._prompt())
        inputs = inputs.to(self._device)
        with torch.inference_mode():
            # Greedy: sampling would give another caption at every retry of the same cell.
            tokens = self._network.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False, num_beams=1)
        if "input_ids" in inputs and not self._network.config.is_encoder_decoder:
            tokens = tokens[:, inputs["input_ids"].shape[1] :]  # a decoder-only model repeats its prompt first
        return str(self._processor.batch_decode(tokens, skip_special_tokens=True)[0]).strip()

    def _prompt(self) -> dict[str, str]:
        """The text input of the model's family: a task token, a chat turn, or nothing (BLIP, GIT)."""
        if self._network.config.model_type == "florence2":
            return {"text": FLORENCE_TASK}
        if getattr(self._processor, "chat_template", None):
            turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": INSTRUCTION}]}
            return {"text": self._processor.apply_chat_template([turn], add_generation_prompt=True)}
        return {}
