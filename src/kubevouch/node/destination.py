"""How ssh reaches a machine by the operator's configuration, and whether it knows the machine's key.

It reads the output of `ssh -G` (ssh_config(5) keywords in lower case, a value a line) and of
`ssh-keygen -F`.
"""

import re
from collections.abc import Sequence

import msgspec


class Destination(msgspec.Struct, frozen=True):
    """One host as ssh would reach it."""

    host: str
    """The argument for ssh: a name, an alias of the operator's configuration, or an address."""

    lookup: str = ""
    """The name that known_hosts files have for its key: HostKeyAlias, else HostName with an odd
    port."""

    files: tuple[str, ...] = ()
    """The known_hosts files that ssh reads."""

    is_known: bool | None = None
    """Whether one of them has a key for it. None: only a try can tell (KnownHostsCommand, keys
    in DNS, no ssh-keygen)."""

    @property
    def name(self) -> str:
        """The host, and its name in known_hosts if that differs."""
        other = self.lookup and self.lookup != self.host
        return f"{self.host} (as {self.lookup})" if other else self.host


_PORT = 22
HOST = r"[A-Za-z0-9]([A-Za-z0-9.:_-]*[A-Za-z0-9])?"
_LOGIN = re.compile(r"(?!-)(?!.*\\\Z)[^\s'\"`;&<>|(){}$]+")
_NOWHERE = ("none", "/dev/null")


WITH_A_HOST_NAME = "with a Host entry and its HostName, in your ssh configuration or in a file for --ssh-config FILE"
"""What helps if ssh does not resolve a node's name."""

NO_LOGIN = "is not a login name that ssh accepts"


def is_host(text: str) -> bool:
    """Whether ssh accepts it as a host name or address, and never as an option."""
    return re.fullmatch(HOST, text) is not None


def is_login(text: str) -> bool:
    """Whether ssh accepts it as a login name, and nothing more.

    ssh puts it into command lines (%r of ProxyCommand and of `Match exec`), and checks it itself
    only since 9.6 (ssh.c, valid_ruser; CVE-2023-51385).
    """
    return text.isprintable() and _LOGIN.fullmatch(text) is not None


def destination_of(host: str, printed: str) -> Destination:
    """Parses the output of `ssh -G HOST`. is_known: None; files: empty if a known_hosts file does not decide it."""
    values: dict[str, str] = {}
    for line in printed.splitlines():
        keyword, _, value = line.partition(" ")
        values.setdefault(keyword.lower(), value.strip())
    name, port = values.get("hostname", host), values.get("port", str(_PORT))
    dialled = name if port == str(_PORT) else f"[{name}]:{port}"
    files = [
        path
        for keyword in ("userknownhostsfile", "globalknownhostsfile")
        for path in re.split(r" (?=/)", values.get(keyword, ""))  # unquoted there, and absolute
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
    """How to make the first of these reachable. Empty if an unknown key is not the reason."""
    unknown = [each for each in tried if each.is_known is False]
    if not unknown:
        return ""
    names = ", ".join(each.name for each in unknown)
    last = unknown[-1]
    return (
        f"known_hosts has no key for {names}. Give --ssh-config FILE if your ssh reaches it "
        f"differently; if ssh does not resolve the name, define it {WITH_A_HOST_NAME}; or "
        f"compare the output of `ssh-keyscan {last.host} | ssh-keygen -lf -` with `ssh-keygen "
        "-lf` of /etc/ssh/ssh_host_*_key.pub on the machine itself, and add the line to "
        "known_hosts"
    )
