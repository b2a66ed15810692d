"""What an operator of the lab has at hand: ssh key and configuration, host keys, the word about loopback addresses."""

import hashlib
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from kubevouch_lab.cluster.folder import Folder
from kubevouch_lab.cluster.site import SSH_PORT, Host, Site

HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"


def new_key() -> bytes:
    """An ed25519 key as ssh-keygen writes it."""
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
    )


def public_of(key: bytes) -> str:
    """`ssh-ed25519 AAAA...`, as it stands in authorized_keys."""
    return (
        load_ssh_private_key(key, None)
        .public_key()
        .public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        .decode()
    )


def write(folder: Folder, site: Site, host_keys: dict[str, bytes], ca: x509.Certificate) -> None:
    """All of it but the kubeconfig. host_keys: private keys by node name. ca: the cluster's authority."""
    if not folder.ssh_key.exists():
        folder.ssh_key.touch(0o600)
        folder.ssh_key.write_bytes(new_key())
    known, config = [], []
    for host in site.hosts:
        if host.light:
            continue
        public = public_of(host_keys[host.name])
        known += [f"{host.name} {public}"]
        config += _host(host, [host.name, host.short, host.address], host.address)
        for other in host.addresses[1:]:
            config += _host(host, [other], other)
    everyone = [
        "Host *",
        "    User root",
        f"    IdentityFile {_quoted(folder.ssh_key)}",
        "    IdentitiesOnly yes",
        f"    UserKnownHostsFile {_quoted(folder.known_hosts)}",
        "    GlobalKnownHostsFile /dev/null",
        "    StrictHostKeyChecking yes",
        "    CheckHostIP no",
    ]
    folder.known_hosts.write_text("\n".join([*known, ""]))
    folder.ssh_config.write_text("\n".join([*config, *everyone, ""]))
    # As kubeadm's --discovery-token-ca-cert-hash; the key stays the same when the lab is aged.
    key = ca.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    lines = [f"authority sha256:{hashlib.sha256(key).hexdigest()}"]
    lines += [address for address in site.addresses if ":" not in address]
    head = "# Addresses that kubelets of this lab have, and no machine elsewhere."
    folder.loopback_addresses.write_text("\n".join([head, *lines, ""]))


def _host(host: Host, aliases: Sequence[str], address: str) -> list[str]:
    return [
        f"Host {' '.join(aliases)}",
        f"    HostName {address}",
        f"    Port {SSH_PORT}",
        f"    HostKeyAlias {host.name}",
        "",
    ]


def _quoted(path: object) -> str:
    return f'"{path}"'
