"""Compositions: topologies built from operators, decoders, models and sinks. Begin with `understanding`."""
