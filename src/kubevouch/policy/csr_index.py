"""The serving CSRs that were seen, kept up to date one by one: which is a node's newest, and who has shown which key."""

import hashlib
from datetime import datetime
from itertools import count

from kubevouch.policy.client_csr import certificate_id
from kubevouch.policy.csr import Csr, requestor_node
from kubevouch.x509 import PublicKey

MOST_KEYS = 16
"""Public keys that are remembered of each node, the newest. A node that shows more crowds out its own only."""

_Maker = tuple[str, tuple[str, ...]]


class CsrIndex:
    """The newest CSR by each credential, and the public keys that nodes have shown, also in CSRs that are gone by now.

    Of each credential, and not of each user: whoever borrowed a node's identity with a bootstrap token could otherwise make
    every CSR of its kubelet an old one.
    """

    def __init__(self) -> None:
        self._made: dict[_Maker, dict[str, tuple[datetime, int, int]]] = {}
        self._newest: dict[_Maker, str] = {}
        self._makers: dict[str, _Maker] = {}
        self._numbers = count()
        self._nodes_by_key: dict[str, set[str]] = {}
        self._keys_by_node: dict[str, list[str]] = {}
        self.told = False
        """Whether a CSR has said which client certificate made it."""

    def put(self, csr: Csr) -> None:
        """A serving CSR is there. Of two of the same second the one that the API server stored later is newer.

        A list tells them by name, and a watch as they were stored. Where no versions are known, the one put later is newer.
        """
        if csr.username is None or csr.created is None or csr.name in self._makers:
            return
        self.told = self.told or bool(certificate_id(csr.credential_ids or ()))
        maker = self._makers[csr.name] = _maker_of(csr)
        made = self._made.setdefault(maker, {})
        made[csr.name] = (csr.created, csr.version, next(self._numbers))
        newest = self._newest.get(maker)
        if newest is None or made[csr.name] > made[newest]:
            self._newest[maker] = csr.name
        self._remember_key(csr)

    def remove(self, name: str) -> None:
        """The CSR is gone. One that is not there is no error."""
        maker = self._makers.pop(name, None)
        if maker is None:
            return
        made = self._made[maker]
        del made[name]
        if not made:
            del self._made[maker], self._newest[maker]
        elif self._newest[maker] == name:
            self._newest[maker] = max(made, key=made.__getitem__)

    def newest(self, csr: Csr) -> str | None:
        """The name of the newest CSR that was made by the same user with the same credential; None if they have made no CSR."""
        return self._newest.get(_maker_of(csr))

    def shown_by(self, csr: Csr) -> frozenset[str] | None:
        """The nodes that have shown this CSR's public key; None if it cannot be read."""
        if csr.parsed is None:
            return None
        return frozenset(self._nodes_by_key.get(_key_id(csr.parsed.key), ()))

    def _remember_key(self, csr: Csr) -> None:
        """Whoever asks in another's name has shown nothing (the rule about the subject holds that CSR).

        Nor has whoever copied the key of another node's CSR, which every node may read, and could not sign with it: the
        rule about the form holds that one.
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
        for old in keys[:-MOST_KEYS]:
            nodes = self._nodes_by_key[old]
            nodes.discard(node)
            if not nodes:
                del self._nodes_by_key[old]
        del keys[:-MOST_KEYS]


def _maker_of(csr: Csr) -> _Maker:
    return csr.username or "", csr.credential_ids or ()


def _key_id(key: PublicKey) -> str:
    """The same for the same key, however it is encoded."""
    numbers = f"{key.algorithm}/{key.curve}/{key.modulus:x}/{key.exponent:x}/"
    return hashlib.sha256(numbers.encode() + key.point).hexdigest()
