"""Compositions: topologies made of operators, decoders, models and sinks. Begin with `understanding`."""
