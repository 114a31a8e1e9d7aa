"""Tiny diffusion pipelines with random weights, laid out as Hugging Face does, for tests that need no real model."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

SIDE = 32
"""A size that every one of them takes."""


def save_pipeline(name: str, folder: Path, scheduler: str = "", **options: Any) -> Path:
    """One of `PIPELINES`, the same each time. `scheduler`: another class than its own, with `options`."""
    import diffusers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = PIPELINES[name]()
    if scheduler:
        kind = getattr(diffusers, scheduler)
        made.scheduler = kind.from_config(made.scheduler.config, **options)
    made.save_pretrained(folder)
    return folder


def _still(network: Any) -> Any:
    return network.eval()


def _t5() -> dict[str, Any]:
    from transformers import ByT5Tokenizer, T5Config, T5EncoderModel

    # Bytes are its tokens, so it needs no vocabulary.
    config = T5Config(vocab_size=384, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    return {"tokenizer": ByT5Tokenizer(), "text_encoder": _still(T5EncoderModel(config))}


def _wan(**options: Any) -> dict[str, Any]:
    from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanTransformer3DModel

    return {
        "vae": AutoencoderKLWan(
            base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
        ),
        "transformer": WanTransformer3DModel(
            **{"patch_size": (1, 2, 2), "num_attention_heads": 2, "attention_head_dim": 12, "in_channels": 16}
            | {"out_channels": 16, "text_dim": 32, "freq_dim": 256, "ffn_dim": 32, "num_layers": 2}
            | {"cross_attn_norm": True, "qk_norm": "rms_norm_across_heads", "rope_max_seq_len": 32}
            | options
        ),
        "scheduler": UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
    }


def _wan_to_video() -> Any:
    from diffusers import WanPipeline

    return WanPipeline(**_wan(), **_t5())


def _wan_from_image() -> Any:
    from diffusers import WanImageToVideoPipeline
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    vision = CLIPVisionConfig(
        hidden_size=4, projection_dim=4, num_hidden_layers=2, num_attention_heads=2, image_size=32,
        intermediate_size=16, patch_size=1,
    )  # fmt: skip
    return WanImageToVideoPipeline(
        **_wan(in_channels=36, image_dim=4),
        **_t5(),
        image_encoder=_still(CLIPVisionModelWithProjection(vision)),
        image_processor=CLIPImageProcessor(crop_size=32, size=32),
        transformer_2=None,
    )


def _ltx() -> dict[str, Any]:
    from diffusers import AutoencoderKLLTXVideo, FlowMatchEulerDiscreteScheduler, LTXVideoTransformer3DModel

    return {
        "vae": AutoencoderKLLTXVideo(
            in_channels=3, out_channels=3, latent_channels=8, block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8), layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1), spatio_temporal_scaling=(True, True, False, False),
            decoder_spatio_temporal_scaling=(True, True, False, False), decoder_inject_noise=(False,) * 5,
            upsample_residual=(False,) * 4, upsample_factor=(1,) * 4, timestep_conditioning=False, patch_size=1,
            patch_size_t=1, encoder_causal=True, decoder_causal=False,
        ),
        "transformer": LTXVideoTransformer3DModel(
            in_channels=8, out_channels=8, patch_size=1, patch_size_t=1, num_attention_heads=4,
            attention_head_dim=8, cross_attention_dim=32, num_layers=1, caption_channels=32,
        ),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }  # fmt: skip


def _ltx_to_video() -> Any:
    from diffusers import LTXPipeline

    return LTXPipeline(**_ltx(), **_t5())


def _ltx_from_image() -> Any:
    from diffusers import LTXImageToVideoPipeline

    return LTXImageToVideoPipeline(**_ltx(), **_t5())


def _cogvideo(channels: int = 4) -> dict[str, Any]:
    from diffusers import AutoencoderKLCogVideoX, CogVideoXDPMScheduler, CogVideoXTransformer3DModel

    return {
        "vae": AutoencoderKLCogVideoX(
            in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(8, 8, 8, 8), layers_per_block=1,
            norm_num_groups=2, temporal_compression_ratio=4, sample_height=SIDE, sample_width=SIDE,
            down_block_types=("CogVideoXDownBlock3D",) * 4, up_block_types=("CogVideoXUpBlock3D",) * 4,
        ),
        "transformer": CogVideoXTransformer3DModel(
            num_attention_heads=4, attention_head_dim=8, in_channels=channels, out_channels=4, time_embed_dim=2,
            text_embed_dim=32, num_layers=1, sample_width=4, sample_height=4, sample_frames=9, patch_size=2,
            temporal_compression_ratio=4, max_text_seq_length=226,
        ),
        "scheduler": CogVideoXDPMScheduler(),
    }  # fmt: skip


def _cogvideo_to_video() -> Any:
    from diffusers import CogVideoXPipeline

    return CogVideoXPipeline(**_cogvideo(), **_t5())


def _cogvideo_from_image() -> Any:
    from diffusers import CogVideoXImageToVideoPipeline

    return CogVideoXImageToVideoPipeline(**_cogvideo(channels=8), **_t5())


def _animatediff() -> Any:
    from diffusers import AnimateDiffPipeline, AutoencoderKL, DDIMScheduler, MotionAdapter, UNet2DConditionModel
    from transformers import ByT5Tokenizer, CLIPTextConfig, CLIPTextModel

    text = CLIPTextConfig(
        bos_token_id=0, eos_token_id=1, pad_token_id=0, hidden_size=8, intermediate_size=37, num_attention_heads=4,
        num_hidden_layers=2, vocab_size=384,
    )  # fmt: skip
    return AnimateDiffPipeline(
        unet=UNet2DConditionModel(
            block_out_channels=(8, 8), layers_per_block=2, sample_size=8, in_channels=4, out_channels=4,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), norm_num_groups=2,
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=8, attention_head_dim=2,
        ),
        scheduler=DDIMScheduler(beta_schedule="linear", clip_sample=False),
        vae=AutoencoderKL(
            block_out_channels=[8, 8, 8, 8], in_channels=3, out_channels=3, latent_channels=4, norm_num_groups=2,
            down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
        ),
        motion_adapter=MotionAdapter(
            block_out_channels=(8, 8), motion_layers_per_block=2, motion_norm_num_groups=2,
            motion_num_attention_heads=4,
        ),
        text_encoder=_still(CLIPTextModel(text)),
        tokenizer=ByT5Tokenizer(model_max_length=77),
    )  # fmt: skip


def _stable_video() -> Any:
    from diffusers import (
        AutoencoderKLTemporalDecoder,
        EulerDiscreteScheduler,
        StableVideoDiffusionPipeline,
        UNetSpatioTemporalConditionModel,
    )
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    vision = CLIPVisionConfig(
        hidden_size=32, projection_dim=32, num_hidden_layers=2, num_attention_heads=4, image_size=224,
        intermediate_size=37, patch_size=32,
    )  # fmt: skip
    return StableVideoDiffusionPipeline(
        unet=UNetSpatioTemporalConditionModel(
            block_out_channels=(32, 64), layers_per_block=2, sample_size=32, in_channels=8, out_channels=4,
            down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
            up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"), cross_attention_dim=32,
            num_attention_heads=8, projection_class_embeddings_input_dim=96, addition_time_embed_dim=32,
        ),
        image_encoder=_still(CLIPVisionModelWithProjection(vision)),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", interpolation_type="linear",
            num_train_timesteps=1000, prediction_type="v_prediction", sigma_max=700.0, sigma_min=0.002,
            steps_offset=1, timestep_spacing="leading", timestep_type="continuous", use_karras_sigmas=True,
        ),
        vae=AutoencoderKLTemporalDecoder(
            block_out_channels=[32, 32, 32, 64], in_channels=3, out_channels=3,
            down_block_types=["DownEncoderBlock2D"] * 4, latent_channels=4, sample_size=32,
        ),
        feature_extractor=CLIPImageProcessor(crop_size=32, size=32),
    )  # fmt: skip


def _image_vae() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=[8, 8, 8, 8], in_channels=3, out_channels=3, latent_channels=4, norm_num_groups=2,
        down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
    )  # fmt: skip


def _clip_text(kind: str, hidden: int) -> Any:
    import transformers

    config = transformers.CLIPTextConfig(
        bos_token_id=0, eos_token_id=1, pad_token_id=0, hidden_size=hidden, intermediate_size=37,
        num_attention_heads=4, num_hidden_layers=2, vocab_size=384, projection_dim=hidden,
    )  # fmt: skip
    return _still(getattr(transformers, kind)(config))


def _stable_diffusion() -> Any:
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import ByT5Tokenizer

    return StableDiffusionPipeline(
        unet=UNet2DConditionModel(
            block_out_channels=(8, 8), layers_per_block=2, sample_size=8, in_channels=4, out_channels=4,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), norm_num_groups=2,
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=8, attention_head_dim=2,
        ),
        scheduler=DDIMScheduler(beta_schedule="linear", clip_sample=False, steps_offset=1),
        vae=_image_vae(),
        text_encoder=_clip_text("CLIPTextModel", 8),
        tokenizer=ByT5Tokenizer(model_max_length=77),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip


def _stable_diffusion_xl() -> Any:
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import ByT5Tokenizer

    return StableDiffusionXLPipeline(
        unet=UNet2DConditionModel(
            block_out_channels=(8, 8), layers_per_block=1, sample_size=8, in_channels=4, out_channels=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), norm_num_groups=2,
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=16, attention_head_dim=2,
            addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=56,
        ),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, steps_offset=1, beta_schedule="scaled_linear",
            timestep_spacing="leading",
        ),
        vae=_image_vae(),
        text_encoder=_clip_text("CLIPTextModel", 8),
        text_encoder_2=_clip_text("CLIPTextModelWithProjection", 8),
        tokenizer=ByT5Tokenizer(model_max_length=77),
        tokenizer_2=ByT5Tokenizer(model_max_length=77),
    )  # fmt: skip


PIPELINES: Mapping[str, Callable[[], Any]] = {
    "wan": _wan_to_video,
    "wan-image": _wan_from_image,
    "ltx": _ltx_to_video,
    "ltx-image": _ltx_from_image,
    "cogvideo": _cogvideo_to_video,
    "cogvideo-image": _cogvideo_from_image,
    "animatediff": _animatediff,
    "stable-video": _stable_video,
    "stable-diffusion": _stable_diffusion,
    "stable-diffusion-xl": _stable_diffusion_xl,
}
