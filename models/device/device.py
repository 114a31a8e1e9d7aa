"""The device that models run on."""

from pathlib import Path
from typing import Literal

from models.registry import ModelContext
from stream.errors import Fatal

# The driver's control node. It is also missing in a container that got no device.
NVIDIA_DRIVER = Path("/dev/nvidiactl")


def device_for(choice: Literal["auto", "cpu", "cuda"]) -> str:
    """`cpu` or `cuda`. `auto` is CUDA where the NVIDIA driver is loaded. It does not import
    torch, which takes seconds.
    """
    if choice == "auto":
        return "cuda" if NVIDIA_DRIVER.exists() else "cpu"
    return choice


def ready_device(context: ModelContext) -> str:
    """The context's device. Raises `Fatal` (`no_device`) for an accelerator that torch cannot use."""
    if context.device != "cpu":
        # Imported only for an accelerator: search by words runs without torch (ADR 0010).
        import torch

        # An error and no fall back to the CPU: a deployment that is ten times slower must not look healthy (ADR 0011).
        if not torch.cuda.is_available():
            raise Fatal(
                f"models should run on {context.device}, but torch {torch.__version__} finds no CUDA device; check the"
                " driver, or choose --device cpu",
                code="no_device",
            )
        # TF32 keeps ten bits of a factor: too few to get the same cuts as on a CPU (ADR 0011).
        torch.backends.cudnn.allow_tf32 = False
    return context.device


def limit_threads(context: ModelContext) -> None:
    """Limits torch's threads to those of the settings, for the whole process."""
    import torch

    torch.set_num_threads(context.threads)
