"""Certificates and CSRs as values. No I/O, no clock, no event loop.

To Kubernetes a certificate is what Go reads in its bytes. So this room reads and verifies as Go does, with Go's error
texts. `cryptography` does the arithmetic (signatures, keys) and nothing else.

- `bundle`: files of PEM, and how much is read of a chain that a peer presents; `certificate`: the value; `kinds`: in words
- `verify`: whether metrics-server would trust it; `reasons`: the vocabulary
- `csr`: a CSR, and whether a kubelet writes it so
- `issue`: the self-signed pair that keeps a kubelet's port answering, and a server's pair by an authority
- below them, one part of Go's reader or verifier each: `der`, `pem`, `names`, `sans`, `keys`, `signatures`,
  `extensions`, `chains`, `constraints`, `gotext`

docs/x509.md tells where Go, OpenSSL and `cryptography` differ. tests/x509 replays the answers of Go itself.
"""

from kubevouch.x509.bundle import (
    read_certificate_der,
    read_certificates,
    read_pem,
    write_certificates,
)
from kubevouch.x509.certificate import Certificate
from kubevouch.x509.csr import CertificateRequest, read_csr
from kubevouch.x509.errors import X509Error
from kubevouch.x509.gotext import printable, unmapped
from kubevouch.x509.issue import (
    KeyKind,
    kubelet_self_signed,
    new_authority,
    signed_serving_pair,
)
from kubevouch.x509.keys import PublicKey
from kubevouch.x509.kinds import (
    CertificateKind,
    classify,
    describe,
    duration_text,
    life_used,
    misnamed,
    node_name_of,
)
from kubevouch.x509.names import Name
from kubevouch.x509.reasons import Verdict, VerifyReason
from kubevouch.x509.verify import ExtKeyUsage, hostname_failure, verify

__all__ = [
    "Certificate",
    "CertificateKind",
    "CertificateRequest",
    "ExtKeyUsage",
    "KeyKind",
    "Name",
    "PublicKey",
    "Verdict",
    "VerifyReason",
    "X509Error",
    "classify",
    "describe",
    "duration_text",
    "hostname_failure",
    "kubelet_self_signed",
    "life_used",
    "misnamed",
    "new_authority",
    "node_name_of",
    "printable",
    "read_certificate_der",
    "read_certificates",
    "read_csr",
    "read_pem",
    "signed_serving_pair",
    "unmapped",
    "verify",
    "write_certificates",
]
