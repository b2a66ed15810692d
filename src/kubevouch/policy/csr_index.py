"""The serving CSRs that were seen, kept up to date one by one: which is a node's newest, and who has shown which key."""

import hashlib
from datetime import datetime
from itertools import count

from kubevouch.policy.csr import Csr, requestor_node
from kubevouch.x509 import PublicKey

MOST_KEYS = 16
"""Public keys that are remembered of each node, the newest. A node that shows more crowds out its own only."""


class CsrIndex:
    """The newest CSR of each user, and the public keys that nodes have shown, also in CSRs that are gone by now."""

    def __init__(self) -> None:
        self._made: dict[str, dict[str, tuple[datetime, int]]] = {}
        self._newest: dict[str, str] = {}
        self._users: dict[str, str] = {}
        self._numbers = count()
        self._nodes_by_key: dict[str, set[str]] = {}
        self._keys_by_node: dict[str, list[str]] = {}

    def put(self, csr: Csr) -> None:
        """A serving CSR is there. Of two that were made in the same second the one that is put later is newer."""
        if csr.username is None or csr.created is None or csr.name in self._users:
            return
        self._users[csr.name] = csr.username
        made = self._made.setdefault(csr.username, {})
        made[csr.name] = (csr.created, next(self._numbers))
        newest = self._newest.get(csr.username)
        if newest is None or made[csr.name] > made[newest]:
            self._newest[csr.username] = csr.name
        self._remember_key(csr)

    def remove(self, name: str) -> None:
        """The CSR is gone. One that is not there is no error."""
        user = self._users.pop(name, None)
        if user is None:
            return
        made = self._made[user]
        del made[name]
        if not made:
            del self._made[user], self._newest[user]
        elif self._newest[user] == name:
            self._newest[user] = max(made, key=made.__getitem__)

    def newest(self, username: str | None) -> str | None:
        """The name of a user's newest CSR; None if there is none."""
        return self._newest.get(username or "")

    def shown_by(self, csr: Csr) -> frozenset[str] | None:
        """The nodes that have shown this CSR's public key; None if it cannot be read."""
        if csr.parsed is None:
            return None
        return frozenset(self._nodes_by_key.get(_key_id(csr.parsed.key), ()))

    def _remember_key(self, csr: Csr) -> None:
        """Whoever asks in another's name has shown nothing: the rule about the subject holds that CSR."""
        node = requestor_node(csr)
        if node is None or csr.parsed is None or csr.parsed.subject.common_name != csr.username:
            return
        key = _key_id(csr.parsed.key)
        keys = self._keys_by_node.setdefault(node, [])
        if key in keys:
            return
        keys.append(key)
        self._nodes_by_key.setdefault(key, set()).add(node)
        for old in keys[:-MOST_KEYS]:
            nodes = self._nodes_by_key[old]
            nodes.discard(node)
            if not nodes:
                del self._nodes_by_key[old]
        del keys[:-MOST_KEYS]


def _key_id(key: PublicKey) -> str:
    """The same for the same key, however it is encoded."""
    numbers = f"{key.algorithm}/{key.curve}/{key.modulus:x}/{key.exponent:x}/"
    return hashlib.sha256(numbers.encode() + key.point).hexdigest()
