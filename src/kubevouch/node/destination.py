"""What ssh is asked for to reach a machine: how the operator's configuration resolves it, and whether its key is known.

Read from what `ssh -G` prints (ssh_config(5) keywords in lower case, a value a line) and what `ssh-keygen -F` finds.
"""

import re
from collections.abc import Sequence

import msgspec


class Destination(msgspec.Struct, frozen=True):
    """One host as ssh would reach it."""

    host: str
    """What ssh is asked for: a name, an alias of the operator's configuration, or an address."""

    lookup: str = ""
    """The name under which known_hosts files are asked for its key: HostKeyAlias, else HostName with an odd port."""

    files: tuple[str, ...] = ()
    """The known_hosts files that ssh reads."""

    is_known: bool | None = None
    """Whether one of them has a key for it. None: only a try can tell (KnownHostsCommand, keys in DNS, no ssh-keygen)."""

    @property
    def name(self) -> str:
        """The host, and the name its key goes by where that is another."""
        other = self.lookup and self.lookup != self.host
        return f"{self.host} (as {self.lookup})" if other else self.host


_PORT = 22
HOST = r"[A-Za-z0-9]([A-Za-z0-9.:_-]*[A-Za-z0-9])?"
_LOGIN = re.compile(r"(?!-)(?!.*\\\Z)[^\s'\"`;&<>|(){}$]+")
_NOWHERE = ("none", "/dev/null")


WITH_A_HOST_NAME = (
    "by a Host entry with its HostName, in your ssh configuration or one for --ssh-config FILE"
)
"""What helps where ssh does not resolve the name of a node."""

NO_LOGIN = "is not a login name that ssh can take"


def is_host(text: str) -> bool:
    """Whether it is a host name or an address that ssh can take: never one that it would read as an option."""
    return re.fullmatch(HOST, text) is not None


def is_login(text: str) -> bool:
    """Whether it is a login name that ssh can take, and nothing more.

    ssh puts it into command lines (%r of ProxyCommand and of `Match exec`); it looks at that itself since 9.6 (ssh.c,
    valid_ruser; CVE-2023-51385), and not before.
    """
    return text.isprintable() and _LOGIN.fullmatch(text) is not None


def destination_of(host: str, printed: str) -> Destination:
    """From what `ssh -G HOST` printed. is_known: None; files: empty where a known_hosts file does not decide it."""
    values: dict[str, str] = {}
    for line in printed.splitlines():
        keyword, _, value = line.partition(" ")
        values.setdefault(keyword.lower(), value.strip())
    name, port = values.get("hostname", host), values.get("port", str(_PORT))
    dialled = name if port == str(_PORT) else f"[{name}]:{port}"
    files = [
        path
        for keyword in ("userknownhostsfile", "globalknownhostsfile")
        for path in re.split(r" (?=/)", values.get(keyword, ""))  # not quoted there; absolute
        if path and path not in _NOWHERE
    ]
    elsewhere = values.get("knownhostscommand", "none") != "none" or values.get(
        "verifyhostkeydns", "false"
    ) not in ("false", "no")
    return Destination(
        host=host,
        lookup=values.get("hostkeyalias", "") or dialled,
        files=() if elsewhere else tuple(files),
    )


def advice(tried: Sequence[Destination]) -> str:
    """What makes the first of these reachable. Empty if it is not for want of a known key."""
    unknown = [each for each in tried if each.is_known is False]
    if not unknown:
        return ""
    names = ", ".join(each.name for each in unknown)
    last = unknown[-1]
    return (
        f"known_hosts has no key for {names}. Give --ssh-config FILE if your ssh reaches it in another way; if it does not resolve "
        f"the name, make it known {WITH_A_HOST_NAME}; or compare "
        f"what `ssh-keyscan {last.host} | ssh-keygen -lf -` prints with `ssh-keygen -lf` of /etc/ssh/ssh_host_*_key.pub "
        "on the machine itself, and add the line to known_hosts"
    )
