"""A node's shell: real programs of this machine, which see the node's folder as their disk and are root in it.

Without root on this machine, by an unprivileged user namespace (user_namespaces(7)) with a mount namespace of its own: /etc,
/var, /run, /tmp, /root, /home, /opt, /srv and /proc are the node's folder, /usr and its like this machine's, to be read.
One process holds the namespaces of a node as long as the lab runs; if the lab is killed, it and all that runs in them ends.

Where the system has none (macOS, or a Linux that forbids them) there is no shell, and `Namespace.start` says so.
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kubevouch.errors import KubevouchError
from kubevouch_lab.nodes import stubs
from kubevouch_lab.nodes.files import NodeFiles

PATH: Final = f"{stubs.FOLDER}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT: Final = {
    "PATH": PATH,
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/sh",
    "LANG": "C.UTF-8",
}
_SETUP: Final = """\
set -e
read_only() { mount -o remount,bind,ro "$1" || mount -o remount,bind,ro,nosuid,nodev "$1"; }
root=$1 new=$1/mnt
hostname "$2" 2>/dev/null || true
mount -t tmpfs -o mode=755 lab "$new"
for each in usr bin sbin lib lib32 lib64 libx32 nix gnu; do
  if [ -L "/$each" ]; then cp -P "/$each" "$new/$each"
  elif [ -d "/$each" ]; then mkdir "$new/$each"; mount --rbind "/$each" "$new/$each"; read_only "$new/$each"; fi
done
for each in etc var run tmp root home opt srv; do
  mkdir -p "$root/$each" "$new/$each"
  mount --bind "$root/$each" "$new/$each"
done
mkdir -p "$root/proc" "$new/proc" "$new/dev" "$new/dev/shm" "$new/mnt" "$new/sys"
mount --rbind /proc "$new/proc"
mount --bind "$root/proc" "$new/sys"
for each in null zero full random urandom tty; do
  : >"$new/dev/$each"
  mount --bind "/dev/$each" "$new/dev/$each" 2>/dev/null || true
done
if [ -d /etc/alternatives ]; then mkdir -p "$root/etc/alternatives"; mount --bind /etc/alternatives "$new/etc/alternatives"; read_only "$new/etc/alternatives"; fi
if [ -f /etc/ld.so.cache ]; then : >>"$root/etc/ld.so.cache"; mount --bind /etc/ld.so.cache "$new/etc/ld.so.cache"; read_only "$new/etc/ld.so.cache"; fi
cd "$new"
pivot_root . mnt
cd /
umount -l /mnt
mount --move /sys /proc
echo ready
exec cat >/dev/null
"""
_USERS: Final = (
    "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
)
_GROUP: Final = "root:x:0:\nnogroup:x:65534:\n"
_PATIENCE: Final = 20.0


class NoShell(KubevouchError):
    """This system cannot give a node a shell of its own."""


@dataclass(frozen=True)
class Ran:
    """A program that has ended."""

    returncode: int
    stdout: bytes
    stderr: bytes


class Namespace:
    """The namespaces of one node."""

    def __init__(self, files: NodeFiles, host: str) -> None:
        self._files = files
        self._host = host
        self._holder: asyncio.subprocess.Process | None = None
        self.no_shell: NoShell | None = None
        """Why no shell could be opened since the last start; None if one was."""

    async def start(self) -> None:
        """Makes them. Raises NoShell: this system has no such thing."""
        self.no_shell = None
        try:
            self._holder = await self._made()
        except NoShell as why:
            self.no_shell = why
            raise

    async def _made(self) -> asyncio.subprocess.Process:
        for name, text in (("passwd", _USERS), ("group", _GROUP)):
            if not self._files.exists(f"/etc/{name}"):
                self._files.write(f"/etc/{name}", text.encode())
        (self._files.root / "mnt").mkdir(parents=True, exist_ok=True)
        missing = [tool for tool in ("unshare", "nsenter") if shutil.which(tool) is None]
        if missing:
            raise NoShell("shells of nodes", f"no {' and no '.join(missing)} here", _RIGHT)
        words = ("unshare", "-U", "-r", "-m", "-u", "-p", "-f", "--kill-child", "--", "/bin/sh")
        holder = await asyncio.create_subprocess_exec(
            *(*words, "-c", _SETUP, "sh", str(self._files.root.resolve()), self._host),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
            start_new_session=True,
        )
        assert holder.stdout
        assert holder.stderr
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                if await holder.stdout.readline() == b"ready\n":
                    return holder
        with contextlib.suppress(ProcessLookupError):
            holder.kill()
        said = (await holder.stderr.read(2000)).decode(errors="replace").strip()
        await holder.wait()
        raise NoShell("shells of nodes", said or "the namespaces could not be created", _RIGHT)

    async def stop(self) -> None:
        """Everything that runs in them ends with them."""
        holder, self._holder = self._holder, None
        if holder is None:
            return
        assert holder.stdin
        holder.stdin.close()
        try:
            async with asyncio.timeout(_PATIENCE):
                await holder.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                holder.kill()
            await holder.wait()

    def words(self, argv: Sequence[str]) -> tuple[str, ...]:
        """The words that run a program in them, from this machine."""
        if self._holder is None:
            raise self.no_shell or NoShell("shells of nodes", "the node is off", "start the lab")
        pid = self._holder.pid
        at = f"/proc/{pid}/ns"
        inside = (f"-U{at}/user", f"-m{at}/mnt", f"-u{at}/uts", f"-p{at}/pid_for_children")
        return ("nsenter", *inside, "--preserve-credentials", "--", *argv)

    async def spawn(
        self, argv: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        """Starts a program, all three streams as pipes."""
        return await asyncio.create_subprocess_exec(
            *self.words(argv),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**ENVIRONMENT, **(environment or {})},
            cwd="/",
            start_new_session=True,
        )

    async def spawn_on(
        self, terminal: int, argv: Sequence[str], kind: str
    ) -> asyncio.subprocess.Process:
        """Starts a program whose controlling terminal is this one (a descriptor). kind: $TERM."""
        return await asyncio.create_subprocess_exec(
            *("setsid", "-c", "-w", *self.words(argv)),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={**ENVIRONMENT, "TERM": kind},
            cwd="/",
        )

    async def run(
        self,
        argv: Sequence[str],
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
    ) -> Ran:
        """Runs a program to its end."""
        process = await self.spawn(argv, environment)
        try:
            out, err = await process.communicate(stdin)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            await process.wait()
            raise
        return Ran(process.returncode or 0, out, err)


_RIGHT: Final = "expected unprivileged user namespaces (Linux: sysctl kernel.unprivileged_userns_clone, or an AppArmor profile)"
