"""What the approver itself wrote down of a node: what the rule for new nodes admitted, and its client certificates."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from kubevouch.policy.sources.stored import (
    VERSION,
    NotAnEntry,
    Shard,
    checked_addresses,
    checked_names,
    checked_text,
    decoded_entry,
    encoded_entry,
    read_shard,
)
from kubevouch.policy.standing import (
    MOST_CREDENTIALS,
    MOST_CROWDED_OUT,
    ClientCredential,
    ClientStanding,
    NodeStanding,
)

RECORDED = "kubevouch-recorded"
"""Prefix of the ConfigMaps. The approver may write these and no others."""


class Admitted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the rule for new nodes admitted, once."""

    names: tuple[str, ...]
    addresses: tuple[str, ...]
    at: datetime
    rule: str
    """The rule's pattern of names."""


class RecordedNode(msgspec.Struct, frozen=True):
    """What the approver wrote down of one Node."""

    node: str
    uid: str
    """The UID of the Node that this is about; "" while the Node does not exist."""

    admitted: Admitted | None = None
    """None: the rule for new nodes has not decided about it."""

    standing: NodeStanding = NodeStanding()


class _StoredRecord(msgspec.Struct, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    v: int
    uid: str = ""
    admitted: Admitted | None = None
    standing: NodeStanding = NodeStanding()


def read_recorded(name: str, data: Mapping[str, str]) -> Shard[RecordedNode]:
    """The entries of one ConfigMap."""
    return read_shard(name, data, read_record, prefix=RECORDED)


def read_record(node: str, raw: bytes) -> RecordedNode:
    """One entry. Raises NotAnEntry."""
    stored = decoded_entry(raw, _StoredRecord)
    if stored.admitted is not None:
        _check_moment(stored.admitted.at)
        stored.admitted = Admitted(
            names=checked_names(stored.admitted.names),
            addresses=checked_addresses(stored.admitted.addresses),
            at=stored.admitted.at,
            rule=checked_text(stored.admitted.rule, "rule"),
        )
    if len(stored.standing.credentials) > MOST_CREDENTIALS * len(ClientStanding):
        raise NotAnEntry(
            f"{len(stored.standing.credentials)} credentials",
            f"at most {MOST_CREDENTIALS * len(ClientStanding)} are kept",
        )
    if len(stored.standing.crowded_out) > MOST_CROWDED_OUT:
        seen = f"{len(stored.standing.crowded_out)} credentials that are crowded out"
        raise NotAnEntry(seen, f"at most {MOST_CROWDED_OUT} are kept")
    for digits in stored.standing.crowded_out:
        checked_text(digits, "certificate")
    for each in stored.standing.credentials:
        _check_credential(each)
    return RecordedNode(node, checked_text(stored.uid, "uid"), stored.admitted, stored.standing)


def _check_credential(credential: ClientCredential) -> None:
    _check_moment(credential.at)
    checked_text(credential.csr, "csr")
    for text in (credential.certificate, credential.parent):
        checked_text(text, "certificate")


def _check_moment(moment: datetime) -> None:
    if moment.tzinfo is None:
        raise NotAnEntry(f"at {moment}", "a moment with its offset from UTC was expected")


def written_record(record: RecordedNode) -> str:
    """The text of an entry. Raises NotAnEntry if it could not be read again."""
    text = encoded_entry(_StoredRecord(VERSION, record.uid, record.admitted, record.standing))
    read_record(record.node, text.encode())
    return text
