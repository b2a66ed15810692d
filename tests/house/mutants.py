"""What `make mutation` makes of mutmut's results: how many changes of the policy made no test fail, and which.

    python -m tests.house.mutants

mutmut changes the policy in one small place at a time and runs the policy's tests. A change that no test notices is
either a missing test or no change of meaning; the latter stand in survivors.toml, each with the reason. 1 where a
survivor is not explained there, or where fewer than MUST_BE_KILLED of all changes were noticed.
"""

import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

MUST_BE_KILLED = 97.0
NOTICED = {"killed", "timeout", "segfault", "suspicious", "caught by type check"}


@dataclass(frozen=True, slots=True)
class Survivor:
    """One change that no test noticed. removed, added: the changed lines, without indentation."""

    function: str
    removed: str
    added: str

    def __str__(self) -> str:
        return f"{self.function}\n  - {self.removed}\n  + {self.added}"


def statuses(results: str) -> dict[str, str]:
    """Of each mutant, from what `mutmut results --all true` prints: `    NAME: STATUS`."""
    lines = (line.strip().rpartition(": ") for line in results.splitlines() if "__mutmut_" in line)
    return {name: status for name, _, status in lines}


def survivor(mutant: str, diff: str) -> Survivor:
    """From the diff that `mutmut show NAME` prints. The number in a mutant's name changes with every edit; this not."""
    changed = [
        line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ]
    removed = " ".join(line[1:].strip() for line in changed if line[0] == "-")
    added = " ".join(line[1:].strip() for line in changed if line[0] == "+")
    function = mutant.rpartition("__mutmut_")[0]
    module, _, name = function.rpartition(".")
    name = name.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    return Survivor(f"{module.removeprefix('kubevouch.')}.{name}", removed, added)


def judged(
    found: dict[str, str], survivors: list[Survivor], explained: list[Survivor]
) -> list[str]:
    """What is wrong; nothing where all is well."""
    faults = [
        f"no test notices, and survivors.toml does not say why:\n{each}"
        for each in survivors
        if each not in explained
    ]
    faults += [
        f"survivors.toml explains what no longer survives:\n{each}"
        for each in explained
        if each not in survivors
    ]
    if (share := _share(found)) < MUST_BE_KILLED:
        faults.append(
            f"{share:.1f} % of the changes made a test fail; {MUST_BE_KILLED:g} % expected"
        )
    return faults


def _share(found: dict[str, str]) -> float:
    return 100.0 * sum(status in NOTICED for status in found.values()) / max(1, len(found))


def _mutmut(*words: str) -> str:
    ran = subprocess.run(
        ["mutmut", *words], capture_output=True, text=True, check=True, timeout=300
    )
    return ran.stdout


def main() -> int:
    """Reads mutmut's results below the current folder."""
    found = statuses(_mutmut("results", "--all", "true"))
    survivors = [
        survivor(name, _mutmut("show", name))
        for name, status in found.items()
        if status not in NOTICED
    ]
    kept = Path(__file__).with_name("survivors.toml").read_text(encoding="utf-8")
    explained = [
        Survivor(each["function"], each["removed"], each["added"])
        for each in tomllib.loads(kept).get("survivor", [])
    ]
    faults = judged(found, survivors, explained)
    print(f"{_share(found):.1f} % of {len(found)} changes noticed:", dict(Counter(found.values())))
    print(*faults, sep="\n", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
