"""How ssh reaches a host with the operator's configuration, and whether known_hosts has the host's key.

Parses the output of `ssh -G`: a keyword of ssh_config(5) in lower case and its value on each line.
"""

import re
from collections.abc import Sequence

import msgspec


class Destination(msgspec.Struct, frozen=True):
    """How ssh would reach a host, and whether known_hosts has the host's key."""

    host: str
    """The argument for ssh: a name, an alias in the operator's configuration, or an address."""

    lookup: str = ""
    """The host's name in known_hosts: HostKeyAlias, or else HostName. A port other than 22
    is added to HostName, as in `[NAME]:PORT`."""

    files: tuple[str, ...] = ()
    """The known_hosts files that ssh reads."""

    is_known: bool | None = None
    """Whether known_hosts has a key for the host. None if we cannot know without a connection
    (KnownHostsCommand, keys in DNS, no ssh-keygen)."""

    @property
    def name(self) -> str:
        """The host, and its name in known_hosts if that differs."""
        other = self.lookup and self.lookup != self.host
        return f"{self.host} (as {self.lookup})" if other else self.host


_PORT = 22
HOST = r"[A-Za-z0-9]([A-Za-z0-9.:_-]*[A-Za-z0-9])?"
_LOGIN = re.compile(r"(?!-)(?!.*\\\Z)[^\s'\"`;&<>|(){}$]{1,256}")
_NO_FILES = ("none", "/dev/null")


WITH_A_HOST_NAME = "with Host and HostName settings in your ssh configuration or --ssh-config FILE"
"""A part of the advice for a node whose name ssh cannot resolve."""

NO_LOGIN = "is not a login name that ssh accepts"


def is_host(text: str) -> bool:
    """Whether ssh accepts the text as a host name or address, and not as an option."""
    return re.fullmatch(HOST, text) is not None


def is_login(text: str) -> bool:
    """Whether the text is a login name that is safe to pass to ssh.

    ssh puts the name into shell commands (%r in ProxyCommand and `Match exec`). Before 9.6 it does
    not validate the name (ssh.c, valid_ruser; CVE-2023-51385).
    """
    return text.isprintable() and _LOGIN.fullmatch(text) is not None


def destination_of(host: str, printed: str) -> Destination:
    """Parses the output of `ssh -G HOST`. Leaves `is_known` None.

    Leaves `files` empty if ssh also trusts a KnownHostsCommand or host keys in DNS.
    """
    values: dict[str, str] = {}
    for line in printed.splitlines():
        keyword, _, value = line.partition(" ")
        values.setdefault(keyword.lower(), value.strip())
    name, port = values.get("hostname", host), values.get("port", str(_PORT))
    dialled = name if port == str(_PORT) else f"[{name}]:{port}"
    files = [
        path
        for keyword in ("userknownhostsfile", "globalknownhostsfile")
        for path in re.split(
            r" (?=/)", values.get(keyword, "")
        )  # ssh prints absolute paths, unquoted
        if path and path not in _NO_FILES
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
    """Advice about hosts whose key is not in known_hosts. Returns "" if no such host was tried."""
    unknown = [each for each in tried if each.is_known is False]
    if not unknown:
        return ""
    names = ", ".join(each.name for each in unknown)
    last = unknown[-1]
    return (
        f"known_hosts has no key for {names}. If ssh needs another configuration, add "
        f"--ssh-config FILE. If ssh does not resolve the name, define it {WITH_A_HOST_NAME}. "
        f"Otherwise compare `ssh-keyscan {last.host} | ssh-keygen -lf -` with "
        "`ssh-keygen -lf` of /etc/ssh/ssh_host_*_key.pub on that machine, and add the key "
        "to known_hosts"
    )
