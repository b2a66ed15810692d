"""A real sshd on loopback, with keys of its own, for the real ssh: of this machine, or of one of its own users."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from kubevouch.node.io.ssh import Ssh
from kubevouch.node.script import Script

from .sudo_host import KEYS, NEEDS, SudoHost, private, why_not

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the node's shell must be root's")


class Said(msgspec.Struct, frozen=True):
    """What a script answers."""

    said: str


def script(text: str) -> Script[Said]:
    return Script(name="test", text=text, answer=Said)


def saying(words: str, before: str = "") -> Script[Said]:
    """One that answers what the shell makes of these words. before: what it does first."""
    return script(f"""{before}\nprintf 'kubevouch-answer: {{"said":"%s"}}\\n' "{words}"\n""")


@dataclass(frozen=True)
class Sshd:
    """A running sshd and the client configuration that reaches it as host `node-1`."""

    folder: Path
    config: Path
    host_key: str
    """Fingerprint, as ssh prints it."""

    process: int
    """What was started: sshd, or what has put it into namespaces of its own."""

    def log(self) -> str:
        """What it has said about its connections, all of which have ended: each writes its own last lines."""
        children = Path(f"/proc/{self.process}/task/{self.process}/children")
        for _ in range(600):
            if not children.read_text().strip():
                return (self.folder / "log").read_text()
            time.sleep(0.05)
        pytest.fail("a connection to sshd does not end")

    def ssh(self, **options: object) -> Ssh:
        return Ssh(str(self.config), environment=os.environ, **options)  # type: ignore[arg-type]


def _needs(program: str) -> str:
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if found is None:
        reason = f"{program} is not on this machine"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SudoHost]:
    """A machine with users and a sudo of its own."""
    if os.geteuid() != 0:
        pytest.skip("users and their passwords are root's to make")
    for program in NEEDS:
        _needs(program)
    folder = tmp_path_factory.mktemp("sudo")
    if lacks := why_not(folder):
        pytest.skip(lacks)
    inside = private(folder)
    for each in _sshd(tmp_path_factory, f"AuthorizedKeysFile {KEYS}\n", inside):
        found = SudoHost(folder, each.config, each.process)
        found.lets_in((each.folder / "user.pub").read_text())
        yield found


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    yield from _sshd(tmp_path_factory, "")


def _sshd(
    tmp_path_factory: pytest.TempPathFactory, settings: str, inside: Sequence[str | Path] = ()
) -> Iterator[Sshd]:
    """settings: they count before those of all. inside: words before the sshd's own."""
    server, _, keygen = _needs("sshd"), _needs("ssh"), _needs("ssh-keygen")
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host", "user"):
        subprocess.run(
            [keygen, "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True, timeout=60
        )
    with contextlib.ExitStack() as held:
        port = _held_port(held)
        yield from _serving([*inside, server], keygen, folder, port, settings)


_TRIES = 20
"""Ports that are free at one address: at the other one somebody else may have them, such as a connection of another test."""


def _held_port(held: contextlib.ExitStack) -> int:
    """One that nobody else is given meanwhile: bound here without listening, as sshd's SO_REUSEADDR lets it be shared."""
    for _ in range(_TRIES):
        port = 0
        with contextlib.ExitStack() as both, contextlib.suppress(OSError):
            for address in ("127.0.0.1", "127.0.0.2"):
                bound = both.enter_context(socket.socket())
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                bound.bind((address, port))
                port = bound.getsockname()[1]
            held.enter_context(both.pop_all())
            return port
    raise AssertionError(f"none of {_TRIES} ports was free at both addresses")


def _serving(
    server: Sequence[str | Path], keygen: str, folder: Path, port: int, settings: str
) -> Iterator[Sshd]:
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    host_key = (folder / "host.pub").read_text().strip()
    (folder / "known_hosts").write_text(f"node-1,[127.0.0.1]:{port} {host_key}\n")
    (folder / "sshd_config").write_text(
        f"{settings}Port {port}\nListenAddress 127.0.0.1\nListenAddress 127.0.0.2\nHostKey {folder}/host\n"
        f"AuthorizedKeysFile {folder}/authorized\nPidFile {folder}/pid\n"
        "StrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nAcceptEnv *\n"
        # The one that ssh prefers, sntrup761x25519, costs both sides far more, and which it is matters to no test.
        "KexAlgorithms curve25519-sha256\n"
    )
    (folder / "ssh_config").write_text(
        f"Host node-1\n  HostName 127.0.0.1\n  Port {port}\n"
        f"Host stranger\n  HostName 127.0.0.1\n  Port {port}\n  HostKeyAlias stranger\n"
        f"Host 127.0.0.1\n  Port {port}\n"
        f"Host *\n  IdentityFile {folder}/user\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder}/known_hosts\n  StrictHostKeyChecking yes\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd(8): its privilege separation folder
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [*server, "-D", "-e", "-f", folder / "sshd_config"], stdout=log, stderr=log
    )
    try:
        _wait_for_port(port, process, folder / "log")
        fingerprint = subprocess.run(
            [keygen, "-l", "-f", folder / "host.pub"], check=True, capture_output=True, text=True
        ).stdout.split()[1]
        yield Sshd(folder, folder / "ssh_config", f"ssh-ed25519 {fingerprint}", process.pid)
    finally:
        _end(process)
        log.close()


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Sshd ends its connections; what has put it into namespaces of its own does not listen, and they end with it."""
    process.terminate()
    try:
        process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=30)


def _wait_for_port(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            pytest.fail(f"sshd did not start: {log.read_text()}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("sshd does not listen")
