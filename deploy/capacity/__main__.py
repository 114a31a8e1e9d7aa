"""What so many videos a day take, with assumptions of your own: the tables of docs/operations/capacity.md once more.

python -m deploy.capacity --videos 50000 --video-s 120 --core-hour 0.03
"""

import argparse
from collections.abc import Sequence
from dataclasses import fields

from deploy.capacity.limits import limits_table
from deploy.capacity.lines import SIZES, sizes_table
from deploy.capacity.sums import MEANINGS, Assumptions


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=float, nargs="+", default=list(SIZES), help="videos a day")
    defaults = Assumptions()
    for item in fields(Assumptions):
        parser.add_argument(
            f"--{item.name.replace('_', '-')}",
            type=float,
            default=getattr(defaults, item.name),
            help=f"{MEANINGS[item.name]} [%(default)s]",
        )
    options = vars(parser.parse_args(words))
    given = Assumptions(**{item.name: options[item.name] for item in fields(Assumptions)})
    print(sizes_table(given, options["videos"]))
    print(limits_table(given), end="")


if __name__ == "__main__":
    main()
