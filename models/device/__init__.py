"""Where and how networks run: CPU, CUDA, batches and graphs. Begin with `device`."""
