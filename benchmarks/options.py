"""The one option of every script."""

import argparse

ROUNDS = 3


def rounds_wanted(about: str | None) -> int:
    """Repetitions: three, or one with `--quick`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one repetition instead of three")
    return 1 if parser.parse_args().quick else ROUNDS
