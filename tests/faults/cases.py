"""The cases of a node, a file each, and both tables of faults in docs/reference/faults.md. Pure, but for the files that are read.

A case says what goes wrong, and for every moment what becomes of the node: left alone, and after the same command again.
`python -m tests.faults.cases` writes the tables.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults import in_the_cluster

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "reference" / "faults.md"
MOMENTS = (
    ("begin", "prepared"),
    ("begin", "armed"),
    ("begin", "written"),
    ("begin", "restarted"),
    ("commit", "restarted"),
    ("commit", "verified"),
    ("commit", "committed"),
    ("undo", "committed"),
    ("undo", "restarted"),
    ("undo", "undone"),
)
"""Each call, and each state that its run is in meanwhile."""

_BEGIN, _END = "<!-- the table of tests/faults/cases begins -->\n", "<!-- it ends -->\n"

_IN_THE_CLUSTER = "<!-- the table of tests/faults/in_the_cluster.toml begins -->\n"

Moment = tuple[str, str]
"""A call, and a state."""


@dataclass(frozen=True)
class Case:
    """does, after: words for a shell. after: what ends it, before anybody acts again. keeps: what stays of another's edit."""

    name: str
    title: str
    does: str
    after: str
    keeps: str
    second: str
    """What another operator sends meanwhile, and of which run if it is another."""

    needs_a_disk: bool
    starts_again: bool
    """The machine does, before anything else can be done."""

    expected: Mapping[Moment, str]


def read(path: Path) -> Case:
    """A case out of its file."""
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    calls = {call for call, _ in MOMENTS}
    return Case(
        name=path.stem,
        title=found["title"],
        does=found["does"],
        after=found.get("after", ""),
        keeps=found.get("keeps", ""),
        second=found.get("second", ""),
        needs_a_disk=found.get("needs-a-disk", False),
        starts_again=found.get("starts-again", False),
        expected={
            (call, state): said for call in calls for state, said in found.get(call, {}).items()
        },
    )


CASES: Sequence[Case] = tuple(read(path) for path in sorted((HERE / "cases").glob("*.toml")))


def table(cases: Sequence[Case]) -> str:
    """In Markdown."""
    head = ["what goes wrong", *(f"{call}: {state}" for call, state in MOMENTS)]
    rows = [[case.title, *(case.expected.get(each, "") for each in MOMENTS)] for case in cases]
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def with_tables(page: str) -> str:
    """A page with each table between its two marks."""
    for begin, text in ((_BEGIN, table(CASES)), (_IN_THE_CLUSTER, in_the_cluster.table())):
        before, _, rest = page.partition(begin)
        page = before + begin + text + _END + rest.partition(_END)[2]
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
