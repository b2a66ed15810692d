"""Asks ssh how it would reach a host, and ssh-keygen whether a key is known for it. Connects to nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from kubevouch.node.destination import Destination, destination_of
from kubevouch.node.errors import NodeUnreachable
from kubevouch.node.io import shell

_TIMEOUT = 20.0
"""Seconds: `Match exec` of the operator's configuration runs here, too."""


async def look_up(
    host: str, words: Sequence[str], *, environment: Mapping[str, str]
) -> Destination:
    """How ssh would reach a host. words: what goes before it on ssh's command line (-F, -l).

    Raises:
        NodeUnreachable: there is no ssh.
    """
    asked = await shell.run(
        ["ssh", "-G", *words, "--", host], stdin=b"", environment=environment, timeout=_TIMEOUT
    )
    if asked.status != 0:
        complaint = asked.stderr.decode(errors="replace").strip()
        return Destination(host, is_known=None, why=f"ssh -G: {complaint or 'it gave no answer'}")
    found = destination_of(host, asked.stdout.decode(errors="replace"))
    if not found.files:
        return found
    known = [await _has_key(found.lookup, file, environment) for file in found.files]
    is_known = True if True in known else None if None in known else False
    return msgspec.structs.replace(found, is_known=is_known)


async def _has_key(name: str, file: str, environment: Mapping[str, str]) -> bool | None:
    """Whether a known_hosts file has a key for the name that is not revoked; None where that cannot be told."""
    if not Path(file).exists():
        return False
    try:
        found = await shell.run(
            ["ssh-keygen", "-F", name, "-f", file],
            stdin=b"",
            environment=environment,
            timeout=_TIMEOUT,
        )
    except NodeUnreachable:
        return None
    lines = found.stdout.decode(errors="replace").splitlines()
    keys = [line for line in lines if line and not line.startswith(("#", "@revoked"))]
    return bool(keys) if found.status in (0, 1) else None
