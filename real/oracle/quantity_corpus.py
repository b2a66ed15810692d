"""Records what apimachinery makes of quantities: `python -m real.oracle.quantity_corpus`.

Cases and answers lie in tests/ground/cases/go-quantities.jsonl, one JSON line each; plain `make test` replays them.
"""

import json
from pathlib import Path
from typing import Any

from real.oracle import judging
from real.oracle.dice import Dice

RECORDED = Path("tests/ground/cases/go-quantities.jsonl")
_JUDGE = Path(__file__).parent / "quantity"

_TEXTS = (
    "0", "-0", "+0", "1", "+1", "-1", "00012", "1.", ".5", "0.5", "-.5", "1.5", "1.0000000001", "0.0000000001",
    "-0.0000000001", "156433217n", "1250u", "157m", "2", "1k", "1K", "1M", "1G", "1T", "1P", "1E", "1e", "1Ki", "1ki",
    "1Mi", "1Gi", "1Ti", "1Pi", "1Ei", "8Ei", "9E", "9223372036854775807", "9223372036854775808", "1e3", "1E3", "1e-3",
    "1E-3", "1e+3", "1e18", "1e19", "1e-9", "1e-10", "1.5e3", "1.5Ki", "0.1Ki", "1.23456789012345Gi", "1n", "0.1n",
    "1.1n", "1m", "0.5m", "1.0001m", "999999n", "1000000n", "", " ", "1 ", " 1", "1 Ki", "Ki", "m", ".", "+", "-",
    "1.2.3", "1,5", "0x10", "1_000", "1e", "1ee3", "1e3Ki", "1Kim", "1kk", "NaN", "Inf", "1\n", "\u0661", "--1", "+-1",
    "1e1.5", "1mi", "1nn", "100000000000000000000", "0.000000000000000000001", "1037608Ki", "20Mi", "1u", "1U",
)  # fmt: skip
_SUFFIXES = ("n", "u", "m", "", "k", "M", "G", "Ki", "Mi", "Gi", "e2", "E-3")


def questions() -> list[dict[str, Any]]:
    """The same ones each time."""
    dice = Dice("quantities")
    edges = [
        0,
        1,
        2,
        9,
        10,
        999,
        1000,
        1001,
        1023,
        1024,
        1025,
        1500,
        2048,
        10**6,
        10**9,
        2**20,
        2**30,
        2**40,
    ]
    edges += [
        2**63 - 1,
        10**18,
        3 * 2**50,
        5 * 10**12,
        1250000,
        156433217,
        157000000,
        2000000000,
        1062510592,
    ]
    numbers = edges + [dice.below(10 ** (1 + dice.below(18))) for _ in range(150)]
    numbers += [dice.below(5000) * 1000 ** dice.below(5) for _ in range(60)]
    numbers += [dice.below(5000) * 1024 ** dice.below(5) for _ in range(60)]
    asked: list[dict[str, Any]] = []
    for number in numbers:
        asked += [{"nanocores": number}, {"bytes": number}]
    asked += [{"text": text} for text in _TEXTS]
    for _ in range(150):
        whole = str(dice.below(10 ** (1 + dice.below(12))))
        rest = f".{dice.below(10**6)}" if dice.one_in(2) else ""
        sign = "-" if dice.one_in(6) else ""
        asked.append({"text": f"{sign}{whole}{rest}{dice.of(_SUFFIXES)}"})
    return asked


def judged(asked: list[dict[str, Any]], *, fetch: bool = True) -> list[dict[str, Any]]:
    """Go's answers, in the same order. fetch: whether Go may get what it has not on this machine."""
    return judging.judged(_JUDGE, asked, fetch=fetch)


def main() -> None:
    asked = questions()
    RECORDED.parent.mkdir(parents=True, exist_ok=True)
    with RECORDED.open("w", encoding="utf-8") as file:
        for question, answer in zip(asked, judged(asked), strict=True):
            file.write(json.dumps({**question, "go": answer}, ensure_ascii=False) + "\n")
    print(f"{len(asked)} quantities: judged")


if __name__ == "__main__":
    main()
