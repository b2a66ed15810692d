"""Recognizes clusters that a tool other than kubeadm created, by signs on their Nodes.

`makers.toml` lists the tools and their signs. A node can write most signs itself: its version, its
OS image and many labels. So signs only decide which advice we print and whether we refuse a plan;
they never permit anything. More than half of the Ready Nodes must have a sign, so that one node
cannot prevent plans for the others.
"""

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import msgspec

from kubevouch.kube.resources import Node


class _Sign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sign by which a tool's Nodes are recognized. An empty field matches anything."""

    kubelet_version: str = ""
    os_image: str = ""
    provider_id: str = ""
    label: str = ""

    def is_on(self, node: Node) -> bool:
        """Whether the Node matches all fields."""
        info = node.status.node_info
        return (
            self.kubelet_version in info.kubelet_version
            and info.os_image.startswith(self.os_image)
            and node.spec.provider_id.startswith(self.provider_id)
            and (not self.label or any(map(self._is_label, node.metadata.labels)))
        )

    def _is_label(self, key: str) -> bool:
        return key.startswith(self.label) if self.label.endswith("/") else key == self.label


class Maker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool that creates clusters.

    works: the parts of kubevouch that work on its clusters. way: a sentence about how this tool
    provides verified serving certificates. link: documentation about `way`. source: the files that
    prove the signs and `way`.
    """

    name: str
    signs: tuple[_Sign, ...]
    works: str
    way: str
    link: str
    source: str

    def __str__(self) -> str:
        return self.name


@cache
def known_makers() -> tuple[Maker, ...]:
    """All tools in `makers.toml`, in order."""
    text = files(__package__ or "").joinpath("makers.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text)["makers"], tuple[Maker, ...])


def maker_of(nodes: Iterable[Node]) -> Maker | None:
    """The tool that made more than half of the Ready Nodes, or of all Nodes if none is Ready; else None.

    If any Node is Ready, the others do not count: a bootstrap token is enough to create a Node, but
    not to make it Ready.
    """
    every = tuple(nodes)
    found = tuple(node for node in every if node.ready) or every
    seen = {
        maker: sum(any(sign.is_on(node) for sign in maker.signs) for node in found)
        for maker in known_makers()
    }
    most = max(seen, key=lambda maker: seen[maker])
    return most if seen[most] * 2 > len(found) else None
