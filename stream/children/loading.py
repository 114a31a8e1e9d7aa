"""When garbage is collected. A process that loads libraries makes some hundred thousand objects, which all stay. A
collector that looks through them again and again takes a sixth of the CPU time of a short command.
"""

import gc
import threading

LOADING_S = 5.0


def begin_loading() -> None:
    """Collect nothing for `LOADING_S`, in which most commands end, or have loaded what they work with."""
    gc.disable()
    later = threading.Timer(LOADING_S, gc.enable)
    later.daemon = True
    later.start()


def loaded() -> None:
    """What a child has loaded stays, and is not looked through. From here on it collects what it leaves."""
    gc.freeze()
    gc.enable()


def before_exit() -> None:
    """The interpreter would look through everything twice before the system takes all of it back."""
    gc.disable()
    gc.freeze()
