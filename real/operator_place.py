"""What the operator has at hand: an ssh key, a configuration that knows all machines, a kubeconfig, kubectl.

The host keys are made here too, so `known_hosts` is true from the first connection and StrictHostKeyChecking stays on.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from real.layout import HOSTS, OPERATOR_ADDRESS, OURS, Folders, Host


@dataclass(frozen=True)
class SshKeys:
    """The operator's public key, and each machine's private host key, in OpenSSH's formats."""

    operator_public: str
    host_private: dict[Host, bytes]


def furnish(folders: Folders, kubectl: Path) -> SshKeys:
    """Makes the operator's folder and all keys, new for each boot."""
    place = folders.operator
    place.mkdir(parents=True)
    private, public = _ssh_key("operator")
    _write(place / "id_ed25519", private, 0o600)
    _write(place / "id_ed25519.pub", public.encode(), 0o644)
    host_private = {}
    known = []
    for host in HOSTS:
        host_private[host], host_public = _ssh_key(host.name)
        known.append(
            f"{host.name},{host.short},{host.address} {' '.join(host_public.split()[:2])}\n"
        )
    _write(place / "known_hosts", "".join(known).encode(), 0o644)
    _write(folders.ssh_config, _ssh_config(place).encode(), 0o644)
    folders.kubectl.symlink_to(kubectl)
    return SshKeys(public, host_private)


def write_kubeconfig(folders: Folders, kubeconfig: bytes) -> None:
    """Keeps the administrator's kubeconfig, as kubeadm wrote it."""
    _write(folders.kubeconfig, kubeconfig, 0o600)


def environment(folders: Folders, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of a command that runs at the operator's place: kubectl, and a kubeconfig for it."""
    return {
        **inherited,
        "KUBECONFIG": str(folders.kubeconfig),
        "KUBECACHEDIR": str(folders.kubectl_cache),
        "PATH": f"{folders.operator}:{inherited.get('PATH', '/usr/bin:/bin')}",
    }


def lines(folders: Folders) -> str:
    """The lines that a person would paste, each entering the bed's own network."""
    enter = f"nsenter --net=/run/netns/{OURS}"
    configured = f"env KUBECONFIG={folders.kubeconfig} KUBECACHEDIR={folders.kubectl_cache}"
    return "\n".join(
        [
            f"export KUBECONFIG={folders.kubeconfig}",
            f"{enter} {configured} {folders.kubectl} get nodes",
            *(f"{enter} ssh -F {folders.ssh_config} {host.name}" for host in HOSTS),
            f"{enter} {configured} PATH={folders.operator}:$PATH bash    # a shell at the operator's place, {OPERATOR_ADDRESS}",
        ]
    )


def sweep(folders: Folders) -> None:
    """Removes the operator's folder."""
    shutil.rmtree(folders.operator, ignore_errors=True)


def _ssh_config(place: Path) -> str:
    common = f"""
Host k8s-* 192.168.88.*
  User root
  IdentityFile {place / "id_ed25519"}
  IdentitiesOnly yes
  UserKnownHostsFile {place / "known_hosts"}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  UpdateHostKeys no
  BatchMode yes
  ConnectTimeout 10
"""
    # The operator's place has no DNS and no hosts file of its own: names are resolved here.
    named = [
        f"Host {host.name} {host.short}\n  HostName {host.address}\n  HostKeyAlias {host.name}\n"
        for host in HOSTS
    ]
    return "".join([*named, common.lstrip("\n")])


def _ssh_key(comment: str) -> tuple[bytes, str]:
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private, f"{public.decode()} {comment}\n"


def _write(path: Path, data: bytes, mode: int) -> None:
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_bytes(data)
