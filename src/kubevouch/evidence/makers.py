"""What made a cluster, where it was not kubeadm, by what its Nodes show. The table is `makers.toml`.

A node writes most of this itself: its version, its image and many labels. It decides words, and that no plan is made, and
nothing that is granted; and more than half of the Ready Nodes have to show it, so that one node cannot keep a plan from the others.
"""

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import msgspec

from kubevouch.kube.resources import Node


class _Sign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a Node shows; an empty field says nothing."""

    kubelet_version: str = ""
    os_image: str = ""
    provider_id: str = ""
    label: str = ""

    def is_on(self, node: Node) -> bool:
        """Whether all of it holds for the Node."""
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
    """A row of the table.

    works: what of kubevouch works there. way: its own way to verified serving certificates, a sentence. link: where it is
    described. source: the files that say so.
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
    """The table, in its order."""
    text = files(__package__ or "").joinpath("makers.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text)["makers"], tuple[Maker, ...])


def maker_of(nodes: Iterable[Node]) -> Maker | None:
    """The one that more than half of the Ready Nodes show, or of all where none is Ready; None where none is.

    A bootstrap token makes Nodes, and a kubelet behind each is what takes more.
    """
    every = tuple(nodes)
    found = tuple(node for node in every if node.ready) or every
    seen = {
        maker: sum(any(sign.is_on(node) for sign in maker.signs) for node in found)
        for maker in known_makers()
    }
    most = max(seen, key=lambda maker: seen[maker])
    return most if seen[most] * 2 > len(found) else None
