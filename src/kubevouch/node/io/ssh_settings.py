"""What our ssh is told whatever the operator's configuration says (ssh_config(5): the first value that is found counts).

No agent, display or port of the operator's goes to a node, and of their variables only what `SendEnv` names: names add up, and one
cannot be taken back from here. The host key is checked against known_hosts, and the connection is our own: one of
the operator's shows no host key, and keeps our standard error open when it goes to the background. The script goes to the
far side's shell by standard input, without a terminal; and ssh's log has the form that `ssh_log` reads.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import msgspec

from kubevouch.node.destination import Destination, destination_of
from kubevouch.node.errors import NodeUnreachable
from kubevouch.node.io import shell

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "VerifyHostKeyDNS": "no",
        "NoHostAuthenticationForLocalhost": "no",
        "UpdateHostKeys": "no",
        "ControlMaster": "no",
        "ControlPath": "none",
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "3",
        "ClearAllForwardings": "yes",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "ForwardX11Trusted": "no",
        "GSSAPIDelegateCredentials": "no",
        "Tunnel": "no",
        "PermitLocalCommand": "no",
        "RemoteCommand": "none",
        "RequestTTY": "no",
        "VisualHostKey": "no",
        "LogLevel": "DEBUG1",
    }
)
_NEWER = {
    "SessionType": "default",  # 8.7, as the next two
    "StdinNull": "no",
    "ForkAfterAuthentication": "no",
    "LogVerbose": "none",  # 8.5
    "ChannelTimeout": "none",  # 9.3
    "SetEnv": "KUBEVOUCH=1",  # 7.8; it takes no "none", and whatever is said first takes the place of all others
}
"""An ssh that does not know one of them ends at it, so each is tried. One that an ssh does not know no configuration of it can set either."""
_TIMEOUT = 20.0


async def newer_settings(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Those of the newer settings that this machine's ssh knows. Raises NodeUnreachable if there is no ssh."""
    known = await asyncio.gather(*(_is_known(each, environment) for each in _NEWER))
    return {name: _NEWER[name] for name, is_known in zip(_NEWER, known, strict=True) if is_known}


async def _is_known(name: str, environment: Mapping[str, str]) -> bool:
    words = ["ssh", "-F", "/dev/null", "-G", "-o", f"{name}={_NEWER[name]}", "--", "localhost"]
    asked = await shell.run(words, stdin=b"", environment=environment, timeout=_TIMEOUT)
    return asked.status == 0


_LOOK_UP = 20.0
"""Seconds: `Match exec` of the operator's configuration runs here, too."""


async def look_up(
    host: str, words: Sequence[str], *, environment: Mapping[str, str]
) -> Destination:
    """How ssh would reach a host. words: what goes before it on ssh's command line (-F, -l).

    Raises:
        NodeUnreachable: there is no ssh.
    """
    asked = await shell.run(
        ["ssh", "-G", *words, "--", host], stdin=b"", environment=environment, timeout=_LOOK_UP
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
            timeout=_LOOK_UP,
        )
    except NodeUnreachable:
        return None
    lines = found.stdout.decode(errors="replace").splitlines()
    keys = [line for line in lines if line and not line.startswith(("#", "@revoked"))]
    return bool(keys) if found.status in (0, 1) else None
