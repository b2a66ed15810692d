"""What this machine must have for the bed, and the Debian packages that are fetched if they lack.

Nothing here knows where packages come from: apt's own configuration does.
"""

import ctypes
import os
import platform
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from real.errors import BedError, MissingNeed
from real.layout import Folders
from real.processes import run
from real.progress import say, step

# Program -> the Debian package that brings it.
PACKAGES: Mapping[str, str] = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "iptables": "iptables",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "sysctl": "procps",
    "mount": "mount",
}
GO = (1, 26)
DISK_GIB = 15
MEMORY_GIB = 3
INOTIFY_INSTANCES = 96
"""77 were counted on a bed with Kubernetes 1.36 (25 of kubelets, 20 of systemd); the rest is for what tests start on it."""

CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids")


def require(folders: Folders) -> None:
    """Says what lacks, before anything is touched.

    Raises:
        MissingNeed: the first need that this machine does not meet.
    """
    if platform.system() != "Linux":
        raise MissingNeed("the bed", f"this is {platform.system()}", "it needs Linux")
    if os.geteuid() != 0:
        raise MissingNeed("the bed", f"this user has uid {os.geteuid()}", "it needs root")
    _require_cgroups()
    _require_filesystems(folders)
    _require_memory()
    _require_go()
    if shutil.which("apt-get") is None and lacking():
        raise MissingNeed(
            "the bed",
            f"no {', '.join(lacking())}",
            "install them; there is no apt-get here to do it",
        )


def lacking(wanted: Mapping[str, str] = PACKAGES) -> list[str]:
    """Programs that are not on the PATH."""
    return [program for program in wanted if shutil.which(program) is None]


def install(wanted: Mapping[str, str] = PACKAGES) -> None:
    """Brings the programs that lack, by apt-get and from wherever apt is configured to look.

    Raises:
        BedError: apt-get could not.
    """
    programs = lacking(wanted)
    if not programs:
        return
    packages = sorted({wanted[program] for program in programs})
    with step(f"Debian packages: {', '.join(packages)}"):
        run(["apt-get", "update", "-q"], seconds=600)
        quiet = ("env", "DEBIAN_FRONTEND=noninteractive")
        run(
            [*quiet, "apt-get", "install", "-q", "-y", "--no-install-recommends", *packages],
            seconds=900,
        )
    if lacking(wanted):
        raise BedError("apt-get install", f"still no {', '.join(lacking(wanted))}")


def _require_cgroups() -> None:
    mounted = {
        option
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
        if " - cgroup " in line
        for option in line.rsplit(" ", 1)[1].split(",")
    }
    missing = [controller for controller in CONTROLLERS if controller not in mounted]
    if missing:
        raise MissingNeed(
            "the bed",
            f"no cgroup v1 hierarchy for {', '.join(missing)}",
            "it was built and tried on cgroup v1 only (boot with systemd.unified_cgroup_hierarchy=0)",
        )


def _require_filesystems(folders: Folders) -> None:
    if not re.search(r"\boverlay$", Path("/proc/filesystems").read_text(), re.MULTILINE):
        run(["modprobe", "overlay"], check=False)
    if not re.search(r"\boverlay$", Path("/proc/filesystems").read_text(), re.MULTILINE):
        raise MissingNeed("the bed", "this kernel has no overlay file system")
    for folder in (folders.cache, folders.state):
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(there).free >> 30
        if free < DISK_GIB and not (folders.cache / "rootfs").exists():
            raise MissingNeed(str(folder), f"{free} GiB free", f"it needs {DISK_GIB}")


def require_inotify(wanted: int = INOTIFY_INSTANCES) -> None:
    """Enough inotify instances are free for this user: kubelets that get none wait for minutes, and so does kubeadm join.

    To be asked once an old bed is down, which has as many. They are counted by taking them: nothing in /proc says how
    many are in use (inotify(7): EMFILE).

    Raises:
        MissingNeed: there are fewer than the bed takes.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    taken: list[int] = []
    try:
        while len(taken) < wanted:
            instance = libc.inotify_init1(os.O_CLOEXEC)
            if instance < 0:
                break
            taken.append(instance)
    finally:
        for instance in taken:
            os.close(instance)
    if len(taken) < wanted:
        limit = Path("/proc/sys/fs/inotify/max_user_instances").read_text().strip()
        raise MissingNeed(
            "fs.inotify.max_user_instances",
            f"it is {limit}, and {len(taken)} of them are free",
            f"the bed takes {wanted}: sysctl -w fs.inotify.max_user_instances=1024, or end what has them",
        )


def _require_memory() -> None:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    if found and int(found[1]) >> 20 < MEMORY_GIB:
        raise MissingNeed(
            "the bed", f"{int(found[1]) >> 20} GiB of memory", f"it needs {MEMORY_GIB}"
        )


def _require_go() -> None:
    if shutil.which("go") is None:
        raise MissingNeed("the bed", "no go on the PATH", f"it needs Go {GO[0]}.{GO[1]}")
    said = run(["go", "version"]).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < GO:
        raise MissingNeed("the bed", said.strip(), f"it needs Go {GO[0]}.{GO[1]} or newer")
    say(said.strip())
