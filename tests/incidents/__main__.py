"""`python -m tests.incidents [--seed N] [--write FILE]`: play every situation; print findings, recall and precision.

With --write the table replaces the part of a document below its line `<!-- table -->`.
"""

import argparse
import sys
from pathlib import Path

from tests.incidents.outcome import play_all, report

MARK = "<!-- table -->\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7, help="of the random runtimes and failures (default: 7)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="document with the table")
    options = parser.parse_args()
    outcomes = play_all(options.seed)
    text = report(outcomes)
    print(text)
    if options.write is not None:
        head, mark, _ = options.write.read_text("utf-8").partition(MARK)
        options.write.write_text(f"{head}{mark}\n{text}\n", "utf-8")
    wrong = [outcome for outcome in outcomes if outcome.missed or outcome.surplus]
    for outcome in wrong:
        print(f"WRONG {outcome}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
