"""The public keys that nodes have shown in CSRs that were read, also in those that are gone by now."""

import hashlib
from typing import Final

from kubevouch.policy.csr import Csr, requestor_node
from kubevouch.x509 import PublicKey

MOST_KEYS: Final = 16
"""Public keys that are remembered of each node, the newest. A node that shows more crowds out its own only."""

MOST_NODES: Final = 20_000
"""Names of nodes, the newest. With a bootstrap token anybody can ask in any number of names, at the pace of the signer."""


class ShownKeys:
    """Keys by their hashes."""

    def __init__(self) -> None:
        self._nodes_by_key: dict[str, set[str]] = {}
        self._keys_by_node: dict[str, list[str]] = {}

    def put(self, csr: Csr) -> None:
        """A node has shown this CSR's key.

        Whoever asks in another's name has shown nothing (the rule about the subject holds that CSR). Nor has whoever copied
        the key of another node's CSR, which every node may read, and could not sign with it: the rule about the form holds
        that one.
        """
        node = requestor_node(csr)
        if node is None or csr.parsed is None or csr.parsed.subject.common_name != csr.username:
            return
        if csr.parsed.quirks:
            return
        key = _key_id(csr.parsed.key)
        keys = self._keys_by_node.setdefault(node, [])
        if key in keys:
            return
        keys.append(key)
        self._nodes_by_key.setdefault(key, set()).add(node)
        self._forget(node, keys[:-MOST_KEYS])
        del keys[:-MOST_KEYS]
        if len(self._keys_by_node) > MOST_NODES:
            oldest = next(iter(self._keys_by_node))
            self._forget(oldest, self._keys_by_node.pop(oldest))

    def shown_by(self, csr: Csr) -> frozenset[str] | None:
        """The nodes that have shown this CSR's public key; None if it cannot be read."""
        if csr.parsed is None:
            return None
        return frozenset(self._nodes_by_key.get(_key_id(csr.parsed.key), ()))

    def _forget(self, node: str, keys: list[str]) -> None:
        for key in keys:
            nodes = self._nodes_by_key[key]
            nodes.discard(node)
            if not nodes:
                del self._nodes_by_key[key]


def _key_id(key: PublicKey) -> str:
    """The same for the same key, however it is encoded."""
    numbers = f"{key.algorithm}/{key.curve}/{key.modulus:x}/{key.exponent:x}/"
    return hashlib.sha256(numbers.encode() + key.point).hexdigest()
