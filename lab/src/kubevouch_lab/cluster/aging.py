"""`lab age`: the certificates on nodes are made again with earlier dates, for programs that keep the real clock.

What a CA of the cluster signed is signed again by it, with the same key, name and number. What a kubelet signed itself
is recreated as of the earlier moment: nobody has kept the key of its own CA.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from kubevouch_lab.cluster.authorities import Authorities
from kubevouch_lab.cluster.node_disk import PKI
from kubevouch_lab.pki import KeyPair, certificate_pem, kubelet_self_signed, made_earlier
from kubevouch_lab.rng import serials

if TYPE_CHECKING:
    from kubevouch_lab.cluster.lab import Lab
    from kubevouch_lab.cluster.machine import Machine

_HOUR = timedelta(hours=1)
_CLIENT = ("kubelet-client-",)


async def age(
    lab: "Lab", machines: "Sequence[Machine]", by: timedelta, *, serving: bool = False
) -> int:
    """Makes what these kubelets have so much older, and restarts them. Returns how many certificates that were.

    serving: only what they serve; kubelets that run for so long renew their client certificates by themselves.
    """
    ca = Authorities.read(lab.folder.node(lab.site.hosts[0].name)).ca
    left = _CLIENT if serving else ()
    counts = await asyncio.gather(*(_aged(lab, each, ca, by, left) for each in machines))
    return sum(counts)


async def _aged(
    lab: "Lab", machine: "Machine", ca: KeyPair, by: timedelta, left: tuple[str, ...]
) -> int:
    """left: how the names of the files begin that stay as they are."""
    await machine.stop_kubelet()
    count = 0
    for path in sorted(machine.files.path(PKI).iterdir()):
        if path.is_symlink() or path.suffix not in {".crt", ".pem"} or path.name.startswith(left):
            continue
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
        if _is_of(certificates[0], ca):
            sign_again(path, ca, by)
        else:
            _made_anew(lab, machine, path, certificates[0], by)
        count += 1
    await machine.start_kubelet()
    return count


def _is_of(certificate: x509.Certificate, ca: KeyPair) -> bool:
    try:
        certificate.verify_directly_issued_by(ca.leaf)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def sign_again(path: Path, ca: KeyPair, by: timedelta) -> None:
    """Gives the first certificate of a file dates that lie so much earlier, signed by the CA that signed it."""
    text = path.read_bytes()
    certificate = x509.load_pem_x509_certificates(text)[0]
    old = certificate_pem(certificate)
    path.write_bytes(text.replace(old, certificate_pem(made_earlier(certificate, ca, by))))


def _made_anew(
    lab: "Lab", machine: "Machine", path: Path, certificate: x509.Certificate, by: timedelta
) -> None:
    made = certificate.not_valid_before_utc + _HOUR - by
    pair = kubelet_self_signed(machine.host.name, made, serials(lab.entropy))
    path.write_bytes(pair.chain)
    path.with_suffix(".key").write_bytes(pair.key)
