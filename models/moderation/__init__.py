"""Scores on which a moderation policy decides. Begin with `nsfw`."""
