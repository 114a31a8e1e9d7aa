"""Running networks: on a CPU or CUDA, in batches, as graphs. Begin with `device`."""
