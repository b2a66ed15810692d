"""The reasons of `top` in groups: the same reason once, whatever moment, address or name stands in the text of each node.

A cluster of a hundred nodes has a hundred texts of one reason: each has the second of its handshake and the node's address.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from kubevouch.cli.top.why import UnknownReason

ELIDED: Final = "..."
"""Stands where the texts of a group differ."""

_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| UTC|[+-]\d\d:?\d\d)?"
_UNIT = r"(?:ns|[uµm]s|[smhd]|(?:second|minute|hour|day)s?)"
_DURATION = rf"(?<![\w.])\d++(?:\.\d++)?(?: {_UNIT}|{_UNIT}(?:\d++(?:\.\d++)?{_UNIT})*+)\b"
_ADDRESS = (
    r"\[[0-9a-fA-F:.%]++\](?::\d+)?|(?<![\w.])\d++\.\d++\.\d++\.\d++(?::\d+)?"
    r"|(?<![\w:.])[0-9a-fA-F]*+:[0-9a-fA-F]*+:[0-9a-fA-F:.]*+"
)
_LONGEST: Final = 2000
"""Characters of a text that are looked at and shown: a node may write a megabyte of them into a pod's status."""
_MADE_AT = r"@\d+"
"""Of a kubelet's own authority: NODE-ca@UNIXTIME."""


class Unknown(NamedTuple):
    """A node without numbers, or a pod. pods: how many pods of the node have none, 0 where that is not counted."""

    why: UnknownReason
    name: str
    node: str
    pods: int


class ReasonGroup(NamedTuple):
    """Those that have no numbers for one reason. text: what all of them have in common, `ELIDED` where they differ."""

    code: str
    text: str
    vantage: str
    names: tuple[str, ...]
    pods: int


def reason_groups(found: Sequence[Unknown]) -> list[ReasonGroup]:
    """One group for each reason, in the order in which they are met."""
    groups: dict[tuple[object, ...], list[tuple[Unknown, list[str]]]] = {}
    for each in found:
        pieces = _varying(each.node).split(each.why.text[:_LONGEST])
        why = each.why
        groups.setdefault((why.code, why.vantage, why.known, *pieces[::2]), []).append(
            (each, pieces)
        )
    return [_group(members) for members in groups.values()]


def _varying(node: str) -> re.Pattern[str]:
    """What may differ between two nodes without being another reason. `split` gives it at the odd places."""
    short = node.partition(".")[0]
    own = [
        rf"(?<![\w.-]){re.escape(each)}(?![\w])" for each in dict.fromkeys((node, short)) if each
    ]
    return re.compile("(" + "|".join([*own, _TIME, _DURATION, _ADDRESS, _MADE_AT]) + ")")


def _group(members: Sequence[tuple[Unknown, list[str]]]) -> ReasonGroup:
    first, _ = members[0]
    places = zip(*(pieces for _, pieces in members), strict=True)
    text = "".join(place[0] if len(set(place)) == 1 else ELIDED for place in places)
    names = tuple(dict.fromkeys(each.name for each, _ in members))
    pods = sum(each.pods for each, _ in members)
    return ReasonGroup(first.why.code, text, first.why.vantage, names, pods)
