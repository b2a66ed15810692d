"""What the approver itself wrote down of a node: what the rule for new nodes admitted, and its client certificates."""

from collections.abc import Mapping

import msgspec

from kubevouch.policy.credentials import UNKNOWN_TIME, Moment, NodeCredentials
from kubevouch.policy.sources.stored import (
    VERSION,
    Shard,
    Unreadable,
    checked_addresses,
    checked_names,
    checked_text,
    decoded_entry,
    encoded_entry,
    read_shard,
)

RECORDED = "kubevouch-recorded"
"""Prefix of the ConfigMaps. The approver may write these and no others."""


class Admitted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the rule for new nodes admitted, once."""

    names: tuple[str, ...]
    addresses: tuple[str, ...]
    at: Moment
    rule: str
    """The rule's pattern of names."""


class RecordedNode(msgspec.Struct, frozen=True):
    """What the approver wrote down of one Node."""

    node: str
    uid: str
    """The UID of the Node that this is about; "" while the Node does not exist."""

    admitted: Admitted | None = None
    """None: the rule for new nodes has not decided about it."""

    credentials: NodeCredentials = NodeCredentials()


class _StoredRecord(msgspec.Struct, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    v: int
    uid: str = ""
    admitted: Admitted | None = None
    credentials: NodeCredentials = NodeCredentials()


def read_recorded(name: str, data: Mapping[str, str]) -> Shard[RecordedNode]:
    """The entries of one ConfigMap."""
    return read_shard(name, data, read_record, prefix=RECORDED)


def read_record(node: str, raw: bytes) -> RecordedNode:
    """One entry. Raises NotAnEntry."""
    stored = decoded_entry(raw, _StoredRecord)
    if stored.admitted is not None:
        stored.admitted = Admitted(
            names=checked_names(stored.admitted.names),
            addresses=checked_addresses(stored.admitted.addresses),
            at=stored.admitted.at,
            rule=checked_text(stored.admitted.rule, "rule"),
        )
    return RecordedNode(node, checked_text(stored.uid, "uid"), stored.admitted, stored.credentials)


def credentials_in(record: RecordedNode | Unreadable | None) -> NodeCredentials:
    """What is recorded of a node's client certificates. What cannot be read may be about an earlier Node: no list opens for it."""
    if isinstance(record, Unreadable):
        return NodeCredentials(earlier=UNKNOWN_TIME)
    if record is None:
        return NodeCredentials()
    # It was written before the watch had shown the Node.
    uid = record.credentials.uid or record.uid
    return msgspec.structs.replace(record.credentials, uid=uid)


def written_record(record: RecordedNode) -> str:
    """The text of an entry. Raises NotAnEntry if it could not be read again."""
    text = encoded_entry(_StoredRecord(VERSION, record.uid, record.admitted, record.credentials))
    read_record(record.node, text.encode())
    return text
