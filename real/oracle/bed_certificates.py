"""Records what Go and openssl read in the certificates of real clusters: `python -m real.oracle.bed_certificates`.

Those of the bed are in the objects that were recorded of it (tests/fixtures, lab/tests). Within a bed that is up (`python -m
real exec -- python -m real.oracle.bed_certificates`) every certificate on its machines' disks is read, too, and those that its
kubelets serve; and what kubeadm makes for such a control plane. Only certificates are kept, never a key. Questions and answers lie in tests/inventory/cases.
"""

import json
import os
import re
import subprocess
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

from real.bed import Bed
from real.errors import BedError
from real.layout import KUBERNETES_VERSIONS, MASTER, Folders
from real.oracle import judging
from real.programs import build, kubernetes

CASES = Path("tests/inventory/cases/bed-certificates.jsonl")
_JUDGE = Path(__file__).parent
_RECORDED = (
    "tests/fixtures/kubeadm-1.36/*.json",
    "tests/fixtures/story/*.json",
    "lab/tests/apiserver/recorded/*.json",
)
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n?(.*?)-----END CERTIFICATE-----", re.DOTALL)
_BASE64 = re.compile(r"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS[0-9A-Za-z+/=]+")
"""Base64 of `-----BEGIN CERTIFICATE`, as CSRs, caBundles and kubeconfigs have it."""

_ON_DISK = "grep -rlE 'BEGIN CERTIFICATE|LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS' /etc/kubernetes /var/lib/kubelet/pki"


def _certificates(text: str) -> Iterator[bytes]:
    """The DER of every certificate in a text, written as PEM (also within JSON) or as base64 of PEM."""
    text = text.replace("\\n", "\n")
    for found in _BASE64.findall(text):
        text += b64decode(found).decode()
    for body in _PEM.findall(text):
        yield b64decode(body)


def _recorded() -> Iterator[tuple[str, bytes]]:
    for pattern in _RECORDED:
        for path in sorted(Path().glob(pattern)):
            for der in _certificates(path.read_text(encoding="utf-8")):
                yield str(path), der


def _of_the_bed() -> Iterator[tuple[str, bytes]]:
    """Nothing where no bed is up around this process."""
    try:
        nodes = Bed.running(os.environ).nodes
    except BedError:
        return
    for node in nodes:
        for path in node.sh(_ON_DISK, check=False).stdout.splitlines():
            for der in _certificates(node.read(path).decode()):
                yield f"{node.name}:{path}", der
        if leaf := node.handshake().leaf:
            yield f"{node.name}:10250", leaf


def _made_by_kubeadm() -> Iterator[tuple[str, bytes]]:
    """What kubeadm makes for a control plane like the bed's, in a folder of its own: needs no bed and no cluster."""
    version = KUBERNETES_VERSIONS[0]
    kubeadm = build(Folders.of(os.environ), (kubernetes(version),)).paths["kubeadm"]
    with tempfile.TemporaryDirectory() as name:
        common = ["--cert-dir", f"{name}/pki", "--kubernetes-version", f"v{version}"]
        common += ["--apiserver-advertise-address", MASTER.address]
        for words in (
            ("certs", "all"),
            ("kubeconfig", "all", "--kubeconfig-dir", name, "--node-name", MASTER.name),
        ):
            subprocess.run(
                [kubeadm, "init", "phase", *words, *common],
                stdout=subprocess.DEVNULL,
                check=True,
            )
        for path in sorted(Path(name).rglob("*")):
            if path.suffix in {".crt", ".conf"}:
                for der in _certificates(path.read_text(encoding="utf-8")):
                    yield f"kubeadm: {path.relative_to(name)}", der


def _openssl(der: bytes) -> dict[str, str]:
    """Dates, issuer and fingerprint as openssl prints them."""
    words = ["openssl", "x509", "-inform", "der", "-noout", "-dateopt", "iso_8601", "-nameopt", "RFC2253"]  # fmt: skip
    words += ["-startdate", "-enddate", "-issuer", "-fingerprint", "-sha256"]
    said = subprocess.run(words, input=der, stdout=subprocess.PIPE, check=True).stdout.decode()
    return dict(line.split("=", 1) for line in said.splitlines())


def main() -> None:
    """Asks both judges about each different certificate."""
    found: dict[bytes, str] = {}
    for where, der in (*_of_the_bed(), *_recorded(), *_made_by_kubeadm()):
        found.setdefault(der, where)
    questions = "".join(f"{json.dumps(b64encode(der).decode())}\n" for der in found)
    answers = judging.said(_JUDGE, "rows", stdin=questions)
    lines = [
        {
            "where": where,
            "der": b64encode(der).decode(),
            "go": json.loads(answer),
            "openssl": _openssl(der),
        }
        for (der, where), answer in zip(found.items(), answers.splitlines(), strict=True)
    ]
    CASES.write_text("".join(f"{json.dumps(each)}\n" for each in lines), encoding="utf-8")
    print(f"{len(lines)} certificates: judged")


if __name__ == "__main__":
    main()
