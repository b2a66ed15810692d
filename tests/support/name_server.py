"""A resolver that answers nothing and counts: who looks a name up is seen, and waits in vain."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SCRIPT = """\
mount --bind "$1/resolv.conf" /etc/resolv.conf
mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
[ ! -d /run/nscd ] || mount --bind "$1/nothing" /run/nscd
shift
exec "$@"
"""


@dataclass
class NameServer:
    """What it was asked, as it came; and the words under which a program knows no other resolver."""

    under: Sequence[str]
    asked: list[bytes] = field(default_factory=list)


@contextlib.contextmanager
def silent_name_server(address: str, folder: Path) -> Iterator[NameServer]:
    """Listens at port 53 of that address while the block lasts. Raises PermissionError where that is root's alone."""
    (folder / "resolv.conf").write_text(f"nameserver {address}\noptions timeout:1 attempts:1\n")
    # Neither files nor anything else: a name is a question for it.
    (folder / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: dns\n")
    (folder / "nothing").mkdir()
    under = ("unshare", "--map-root-user", "--mount", "sh", "-euc", _SCRIPT, "sh", str(folder))
    found = NameServer(under)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind((address, 53))

        def listen() -> None:
            while question := listening.recv(4096):
                found.asked.append(question)

        listener = threading.Thread(target=listen)
        listener.start()
        try:
            yield found
        finally:
            listening.sendto(b"", (address, 53))
            listener.join()
