"""The root file system that all machines share below their own overlay: Debian, by debootstrap.

It holds packages only. What makes a machine one of the cluster's is written into its overlay at each boot
(`machine_files.py`), so this is rebuilt only when the recipe below changes.
"""

import hashlib
import os
import shutil
from pathlib import Path

from real import debian
from real.layout import DEBIAN, Folders
from real.processes import held, run
from real.progress import step

PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "procps", "kmod", "mount"),
    *("iproute2", "iptables", "conntrack", "ethtool", "socat"),
    *("containerd", "runc", "containernetworking-plugins"),
)
# What debootstrap leaves that every machine must have for itself, and timers that would wake up at midnight.
TIDY = """
set -eu
rm -f etc/machine-id var/lib/dbus/machine-id etc/ssh/ssh_host_* etc/resolv.conf etc/hostname
: > etc/machine-id
rm -rf var/cache/apt/archives/*.deb var/lib/apt/lists/*
chroot . systemctl mask --quiet apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
  fstrim.timer systemd-timesyncd.service
chroot . useradd --create-home --shell /bin/bash --groups sudo ops
echo 'ops ALL=(ALL:ALL) NOPASSWD: ALL' > etc/sudoers.d/ops
chmod 0440 etc/sudoers.d/ops
"""


def build(folders: Folders) -> Path:
    """The folder of the root file system; made if the cache has none of this recipe.

    Raises:
        BedError: debootstrap or the tidying failed.
    """
    recipe = "\0".join([DEBIAN, *PACKAGES, TIDY])
    kept = folders.cache / "rootfs" / f"{DEBIAN}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
    if kept.exists():
        return kept
    unfinished = folders.cache / "unfinished" / f"rootfs-{os.getpid()}"
    with step(f"root file system of Debian {DEBIAN}"):
        unfinished.mkdir(parents=True)
        archive = debian.archive_of([DEBIAN, debian.release_of_this_machine(DEBIAN)])
        include = f"--include={','.join(PACKAGES)}"
        run(
            held(["debootstrap", "--variant=minbase", include, DEBIAN, unfinished, archive]),
            seconds=1800,
        )
        run(["sh", "-c", TIDY], folder=unfinished)
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished.rename(kept)
    for older in kept.parent.iterdir():
        if older != kept:
            shutil.rmtree(older)
    return kept
