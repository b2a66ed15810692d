"""What goes wrong in the cluster, read from in_the_cluster.toml. Pure, but for the file."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).with_suffix(".toml")


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
