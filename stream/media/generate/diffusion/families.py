"""The pipelines that are known, and the classes that may be in them (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """`words`, `image`: what it takes. Sides are multiples of `multiple`, and `frames` less one is one of `stride`.
    `still`: it makes one picture.
    """

    name: str
    words: bool
    image: bool
    multiple: int
    stride: int
    rate: str = ""
    """The argument that takes the frame rate, if it has one."""
    guidance: str = "guidance_scale"
    still: bool = False

    @property
    def can(self) -> str:
        takes = [what for what, taken in (("a prompt", self.words), ("an image", self.image)) if taken]
        return f"{self.name} makes {'one picture' if self.still else 'pictures'} from {' and '.join(takes)}"


FAMILIES: Mapping[str, Family] = {
    "WanPipeline": Family("Wan", True, False, 16, 4),
    "WanImageToVideoPipeline": Family("Wan image to video", True, True, 16, 4),
    "LTXPipeline": Family("LTX", True, False, 32, 8, "frame_rate"),
    "LTXImageToVideoPipeline": Family("LTX image to video", True, True, 32, 8, "frame_rate"),
    "CogVideoXPipeline": Family("CogVideoX", True, False, 16, 4),
    "CogVideoXImageToVideoPipeline": Family("CogVideoX image to video", True, True, 16, 4),
    "AnimateDiffPipeline": Family("AnimateDiff", True, False, 8, 1),
    "StableVideoDiffusionPipeline": Family(
        "Stable Video Diffusion", False, True, 8, 1, "fps", guidance="max_guidance_scale"
    ),
    "StableDiffusionPipeline": Family("Stable Diffusion", True, False, 8, 1, still=True),
    "StableDiffusionXLPipeline": Family("Stable Diffusion XL", True, False, 8, 1, still=True),
}
"""By the class of the pipeline."""
_TRANSFORMERS = frozenset({"WanTransformer3DModel", "LTXVideoTransformer3DModel", "CogVideoXTransformer3DModel"})
_PROCESSORS = frozenset({"CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPImageProcessorPil"})
CLASSES: Mapping[str, frozenset[str]] = {
    "scheduler": frozenset(
        {
            "CogVideoXDDIMScheduler", "CogVideoXDPMScheduler", "DDIMScheduler", "DDPMScheduler",
            "DPMSolverMultistepScheduler", "EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler",
            "FlowMatchEulerDiscreteScheduler", "LCMScheduler", "UniPCMultistepScheduler",
        }
    ),
    "tokenizer": frozenset(
        {"ByT5Tokenizer", "CLIPTokenizer", "CLIPTokenizerFast", "T5Tokenizer", "T5TokenizerFast"}
    ),
    "tokenizer_2": frozenset({"ByT5Tokenizer", "CLIPTokenizer", "CLIPTokenizerFast"}),
    "text_encoder": frozenset({"CLIPTextModel", "T5EncoderModel", "UMT5EncoderModel"}),
    "text_encoder_2": frozenset({"CLIPTextModelWithProjection"}),
    "vae": frozenset(
        {
            "AutoencoderKL", "AutoencoderKLCogVideoX", "AutoencoderKLLTXVideo", "AutoencoderKLTemporalDecoder",
            "AutoencoderKLWan",
        }
    ),
    "transformer": _TRANSFORMERS,
    "transformer_2": _TRANSFORMERS,
    "unet": frozenset({"UNet2DConditionModel", "UNetMotionModel", "UNetSpatioTemporalConditionModel"}),
    "motion_adapter": frozenset({"MotionAdapter"}),
    "image_encoder": frozenset({"CLIPVisionModel", "CLIPVisionModelWithProjection"}),
    "feature_extractor": _PROCESSORS,
    "image_processor": _PROCESSORS,
}  # fmt: skip
"""The classes that a component may have. Each was seen to do nothing but compute."""
DENOISERS = ("transformer", "transformer_2", "unet")
"""The components that make a step."""
WITHOUT_WEIGHTS = frozenset({"scheduler", "tokenizer", "tokenizer_2", "feature_extractor", "image_processor"})
TEXT_ENCODERS = ("text_encoder", "text_encoder_2")
