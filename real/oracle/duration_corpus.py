"""Records how apimachinery writes durations: `python -m real.oracle.duration_corpus`.

Numbers of seconds and Go's texts lie in tests/inventory/cases/go-durations.jsonl; plain `make test` replays them.
"""

import json
from pathlib import Path

from real.oracle import judging
from real.oracle.dice import Dice

RECORDED = Path("tests/inventory/cases/go-durations.jsonl")
_JUDGE = Path(__file__).parent / "durations"
_UNITS = (1, 60, 3600, 86400, 365 * 86400)
_COUNTS = (1, 2, 3, 7, 8, 9, 10, 11, 24, 47, 48, 49, 59, 60, 61, 119, 120, 179, 180, 364, 365, 366)


def questions() -> list[int]:
    """The same ones each time: around each border of a unit, and between."""
    dice = Dice("durations")
    borders = [unit * count for unit in _UNITS for count in _COUNTS]
    around = {border + more for border in borders for more in (-1, 0, 1)}
    between = {dice.below(10 ** (1 + dice.below(10))) for _ in range(40)}
    longest = (2**63 - 1) // 10**9
    return sorted(
        found
        for found in around | between | {-longest, -86400, -61, -2, -1, 0, longest}
        if -longest <= found <= longest
    )


def judged(asked: list[int], *, fetch: bool = True) -> list[str]:
    """Go's texts, in the same order. fetch: whether Go may get what it has not on this machine."""
    return judging.judged(_JUDGE, asked, fetch=fetch)


def main() -> None:
    asked = questions()
    RECORDED.parent.mkdir(parents=True, exist_ok=True)
    with RECORDED.open("w", encoding="utf-8") as file:
        for seconds, text in zip(asked, judged(asked), strict=True):
            file.write(json.dumps([seconds, text]) + "\n")
    print(f"{len(asked)} durations: judged")


if __name__ == "__main__":
    main()
