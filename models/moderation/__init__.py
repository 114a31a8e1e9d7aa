"""Scores for a moderation policy, which makes the decision. Begin with `nsfw`."""
