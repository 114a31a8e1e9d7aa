"""Frames to meaning: weights, shots, tags, moderation, embeddings and captions.

One registry per family; an entry is `module:Class`, loaded only when used. Importing this package loads no torch.
"""

SHOTS = {"transnetv2": "models.shots.transnet_v2:TransNetShots", "hashing": "models.hashing:HashingShots"}
TAGGERS = {"efficientnet-lite0": "models.tags.imagenet:EfficientNetTagger", "hashing": "models.hashing:HashingTagger"}
MODERATORS = {"open-nsfw": "models.moderation.nsfw:OpenNsfw", "hashing": "models.hashing:HashingModerator"}
EMBEDDERS = {
    "conse": "models.embedders.conse:ConSE",
    "hashing": "models.hashing:HashingEmbedder",
    "hf": "models.embedders.two_tower:HuggingFaceTwoTower",
}
CAPTIONERS = {"hashing": "models.hashing:HashingCaptioner", "hf": "models.captions.captioners:HuggingFaceCaptioner"}

REGISTRY = {
    "shots": SHOTS,
    "tagger": TAGGERS,
    "moderator": MODERATORS,
    "embedder": EMBEDDERS,
    "captioner": CAPTIONERS,
}
