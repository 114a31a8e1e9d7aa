"""Composition roots: operators over decoders, models and sinks, and the topologies made of them."""
