"""Tiny random checkpoints in the real Hugging Face layout: config, safetensors, tokenizer and processor files."""

import json
from pathlib import Path
from typing import Any

WORDS = ("a", "cat", "dog", "house", "on", "photo", "of", "the", "red", "street")
SIDE = 32
CHAT_TEMPLATE = (
    "{% for turn in messages %}{% for part in turn['content'] %}"
    "{% if part['type'] == 'image' %}<image> {% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}"
)


def clip_checkpoint(directory: Path) -> Path:
    """A CLIP checkpoint with 16-d towers; files as the CLIP repositories have them (byte-level BPE vocabulary)."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    torch.manual_seed(1)
    directory.mkdir(parents=True)
    dead_letters = sorted({dead_letter for word in WORDS for dead_letter in word})
    pieces = [
        *dead_letters,
        *(f"{dead_letter}</w>" for dead_letter in dead_letters),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    (directory / "vocab.json").write_text(json.dumps({piece: index for index, piece in enumerate(pieces)}))
    (directory / "merges.txt").write_text("#version: 0.2\n")
    text = {**_tower(), "vocab_size": len(pieces), "max_position_embeddings": 24}
    text |= {"bos_token_id": len(pieces) - 2, "eos_token_id": len(pieces) - 1, "pad_token_id": len(pieces) - 1}
    configuration: Any = CLIPConfig(text_config=text, vision_config=_eyes(), projection_dim=16)
    tokenizer: Any = CLIPTokenizer.from_pretrained(directory, model_max_length=24)
    images: Any = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    return _saved(directory, CLIPModel(configuration), tokenizer, images)


def siglip_checkpoint(directory: Path) -> Path:
    """A SigLIP checkpoint with 32-d towers; text is padded to the full length, as it was trained."""
    import torch
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel

    torch.manual_seed(2)
    tokenizer = _word_tokenizer(pad="</s>", unknown="<unk>", length=16)
    text = {**_tower(), "vocab_size": len(tokenizer), "max_position_embeddings": 16, "projection_size": 32}
    text |= {"bos_token_id": 1, "eos_token_id": 0, "pad_token_id": 0}
    configuration: Any = SiglipConfig(text_config=text, vision_config=_eyes())
    images: Any = SiglipImageProcessor(size={"height": SIDE, "width": SIDE})
    return _saved(directory, SiglipModel(configuration), tokenizer, images)


def blip_checkpoint(directory: Path) -> Path:
    """A BLIP captioning checkpoint; what it says is noise, but always the same noise for the same picture."""
    import torch
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessor

    torch.manual_seed(3)
    tokenizer = _word_tokenizer(pad="[PAD]", unknown="[UNK]", length=64)
    begin, end = (tokenizer.convert_tokens_to_ids(token) for token in ("[CLS]", "[SEP]"))
    text = {**_tower(), "vocab_size": len(tokenizer), "max_position_embeddings": 64, "encoder_hidden_size": 32}
    text |= {"bos_token_id": begin, "sep_token_id": end, "eos_token_id": end, "pad_token_id": 0}
    configuration: Any = BlipConfig(text_config=text, vision_config=_eyes(), projection_dim=16)
    images: Any = BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    return _saved(directory, BlipForConditionalGeneration(configuration), tokenizer, images)


def chat_checkpoint(directory: Path) -> Path:
    """A LLaVA checkpoint: a language model that sees, with a chat template. It repeats words of its vocabulary."""
    import torch
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    torch.manual_seed(4)
    tokenizer = _word_tokenizer(pad="[PAD]", unknown="[UNK]", length=128)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    begin, end, image = (tokenizer.convert_tokens_to_ids(token) for token in ("[CLS]", "[SEP]", "<image>"))
    tower = {name: size for name, size in _tower().items() if name != "initializer_factor"}
    text: Any = {**tower, "num_key_value_heads": 4, "vocab_size": len(tokenizer), "pad_token_id": 0}
    words: Any = LlamaConfig(**text, bos_token_id=begin, eos_token_id=end)
    eyes: Any = CLIPVisionConfig(**_eyes())
    configuration: Any = LlavaConfig(
        vision_config=eyes, text_config=words, image_token_index=image, vision_feature_layer=-1
    )
    network = LlavaForConditionalGeneration(configuration)
    images: Any = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    processors: Any = LlavaProcessor
    processor = processors(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )
    network.save_pretrained(directory)
    processor.save_pretrained(directory)
    return directory


def _saved(directory: Path, network: Any, tokenizer: Any, images: Any) -> Path:
    """As repositories of checkpoints lay it out: one file for the images' side, a few for the words'."""
    network.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    images.save_pretrained(directory)
    return directory


def _tower() -> dict[str, Any]:
    # Large initial weights: with the usual ones a random network gives every input nearly the same vector.
    sizes = {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4}
    return {**sizes, "initializer_range": 0.2, "initializer_factor": 4.0}


def _eyes() -> dict[str, Any]:
    return {**_tower(), "image_size": SIDE, "patch_size": 8}


def _word_tokenizer(*, pad: str, unknown: str, length: int) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = list(dict.fromkeys([pad, unknown, "[CLS]", "[SEP]"]))
    vocabulary = {word: index for index, word in enumerate([*special, *WORDS])}
    words: Any = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    made: Any = PreTrainedTokenizerFast
    return made(tokenizer_object=words, pad_token=pad, unk_token=unknown, eos_token="[SEP]", model_max_length=length)
