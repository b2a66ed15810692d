"""A cluster of simulated kubelets and its API server in one Go process (real/programs/fleet): no bed is needed."""

import contextlib
import json
import os
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from real.layout import Folders
from real.programs import FLEET, METRICS_SERVER, build


@dataclass(frozen=True)
class Served:
    """What one account was served: pages, compressed ones, the nodes that have served one.

    longest_gap: seconds between two pages of a node since this was asked before.
    """

    pages: int
    packed: int
    longest_gap: float
    nodes: int


@dataclass(frozen=True)
class Fleet:
    """A fleet that runs. folder: where its certificates and kubeconfigs are."""

    folder: Path
    url: str
    nodes: int
    pods: int
    """On each node."""

    @property
    def authority(self) -> Path:
        """Of the API server and of every kubelet."""
        return self.folder / "ca.crt"

    def kubeconfig(self, account: str) -> Path:
        """With the account's token."""
        return self.folder / f"kubeconfig-{account}"

    def served(self, account: str) -> Served:
        """So far."""
        return Served(**self._answer("/fleet", account))

    def listed(self, account: str) -> list[Any]:
        """Its Nodes, as the API server has them."""
        found: list[Any] = self._answer("/api/v1/nodes", account)["items"]
        return found

    def _answer(self, path: str, account: str) -> Any:  # noqa: ANN401 - JSON
        request = urllib.request.Request(
            f"{self.url}{path}", headers={"Authorization": f"Bearer {account}"}
        )
        context = ssl.create_default_context(cafile=str(self.authority))
        with urllib.request.urlopen(request, context=context) as answer:
            return json.load(answer)


def programs() -> tuple[Path, Path]:
    """The fleet and the real metrics-server, built where they are not in the cache yet."""
    built = build(Folders.of(os.environ), (FLEET, METRICS_SERVER))
    return built.paths["fleet"], built.paths["metrics-server"]


@contextlib.contextmanager
def fleet(
    program: Path,
    folder: Path,
    accounts: Sequence[str],
    *,
    nodes: int,
    pods: int,
    mix: str,
    objects: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[Fleet]:
    """It runs while the block lasts. mix: percentages of kinds of nodes, see the program's help.

    objects: what the API server answers besides, by path.
    """
    folder.mkdir(parents=True)
    others = folder / "objects.json"
    others.write_text(json.dumps(dict(objects)))
    words = [str(program), "-folder", str(folder), "-tokens", ",".join(accounts)]
    words += ["-nodes", str(nodes), "-pods", str(pods), "-mix", mix, "-objects", str(others)]
    # Another bench may run on this machine, with the same addresses.
    words += ["-port", str(20_000 + os.getpid() % 10_000)]
    if nodes > 1000:
        # The pages of thousands at the usual level would take the cores from those who are measured.
        words += ["-gzip-level", "1"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline().split()
            assert said[:1] == ["ready"], f"the fleet: {said}"
            yield Fleet(folder, said[1], nodes, pods)
        finally:
            process.kill()
