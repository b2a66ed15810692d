"""What goes wrong in the cluster, read from in_the_cluster.toml, and the table of it in docs/reference/faults.md. Pure, but for the file."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).with_suffix(".toml")
_HEAD = ("what goes wrong", "the node in hand", "exit code", "NEXT")


@dataclass(frozen=True)
class ClusterCase:
    """A fault, and what comes of a run that meets it. next: the commands that it names; empty where it goes on by itself."""

    title: str
    node: str
    code: int
    next: str


IN_THE_CLUSTER: Mapping[str, ClusterCase] = {
    name: ClusterCase(**found)
    for name, found in tomllib.loads(_FILE.read_text(encoding="utf-8")).items()
}


def table() -> str:
    """In Markdown."""
    rows = [
        (each.title, each.node, str(each.code), each.next)
        if each.next
        else (each.title, each.node, "as without it", "goes on")
        for each in IN_THE_CLUSTER.values()
    ]
    lines = [_HEAD, ["---"] * len(_HEAD), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
