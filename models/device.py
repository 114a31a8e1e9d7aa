"""Where models run."""

from models.registry import ModelContext


def limit_threads(context: ModelContext) -> None:
    """Give torch the threads that the settings allow; the limit holds for the whole process."""
    import torch

    if torch.get_num_threads() != context.threads:
        torch.set_num_threads(context.threads)
