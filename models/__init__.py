"""Frames to meaning: weights, shots, tags, moderation, embeddings and captions.

One registry per family; an entry is `module:Class`, loaded only when used. Importing this package loads no torch.
"""

SHOTS = {"transnetv2": "models.shots:TransNetShots", "hashing": "models.hashing:HashingShots"}
TAGGERS = {"efficientnet-lite0": "models.tags:EfficientNetTagger", "hashing": "models.hashing:HashingTagger"}
MODERATORS = {"open-nsfw": "models.moderation:OpenNsfw", "hashing": "models.hashing:HashingModerator"}
EMBEDDERS = {
    "conse": "models.conse:ConSE",
    "hashing": "models.hashing:HashingEmbedder",
    "hf": "models.two_tower:HuggingFaceTwoTower",
}
CAPTIONERS = {"hashing": "models.hashing:HashingCaptioner", "hf": "models.captions:HuggingFaceCaptioner"}

REGISTRY = {
    "shots": SHOTS,
    "tagger": TAGGERS,
    "moderator": MODERATORS,
    "embedder": EMBEDDERS,
    "captioner": CAPTIONERS,
}
