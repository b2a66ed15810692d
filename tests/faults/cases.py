"""The cases of a node, a file each, and both tables of faults in docs/internals/faults.md. Pure, but for the files that are read.

A case says what goes wrong, and for every moment what becomes of the node: left alone, and after the same command again.
`python -m tests.faults.cases` writes the tables.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from tests.faults.in_the_cluster import IN_THE_CLUSTER

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "internals" / "faults.md"
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


class Case(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """does, after: words for a shell. after: what ends it, before anybody acts again. keeps: what stays of another's edit."""

    name: str
    title: str
    does: str
    begin: Mapping[str, str]
    commit: Mapping[str, str]
    undo: Mapping[str, str]
    """What becomes of the node, by the state that its run is in during that call."""

    after: str = ""
    keeps: str = ""
    second: str = ""
    """What another operator sends meanwhile, and of which run if it is another."""

    needs_a_disk: bool = False
    starts_again: bool = False
    """The machine does, before anything else can be done."""

    def expected(self, moment: Moment) -> str:
        """What becomes of the node at that moment."""
        call, state = moment
        found: Mapping[str, str] = getattr(self, call)
        return found.get(state, "")


def read(path: Path) -> Case:
    """A case out of its file."""
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    return msgspec.convert({**found, "name": path.stem}, Case)


CASES: Sequence[Case] = tuple(read(path) for path in sorted((HERE / "cases").glob("*.toml")))


def table() -> str:
    """Of the cases of a node, in Markdown."""
    head = ["what goes wrong", *(f"{call}: {state}" for call, state in MOMENTS)]
    return _markdown(head, ([case.title, *map(case.expected, MOMENTS)] for case in CASES))


def table_in_the_cluster() -> str:
    """Of the cases in the cluster, in Markdown."""
    rows = (
        [each.title, each.node, str(each.code), each.next]
        if each.next
        else [each.title, each.node, "as without it", "goes on"]
        for each in IN_THE_CLUSTER.values()
    )
    return _markdown(["what goes wrong", "the current node", "exit code", "NEXT"], rows)


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ["---"] * len(head), *rows))


def with_tables(page: str) -> str:
    """A page with each table between its two marks."""
    for begin, text in ((_BEGIN, table()), (_IN_THE_CLUSTER, table_in_the_cluster())):
        before, _, rest = page.partition(begin)
        page = before + begin + text + _END + rest.partition(_END)[2]
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
