"""Parses, verifies and issues certificates, and parses CSRs. Does no I/O and reads no clock.

Kubernetes components are written in Go. So this package parses and verifies as Go does, with Go's
error texts. `cryptography` only computes signatures and keys.

- `bundle`: PEM files, and the limits for a chain that a peer presents; `certificate`: one certificate;
  `kinds`: describes a certificate in words
- `verify`: whether metrics-server would trust a certificate; `reasons`: why not
- `csr`: a CSR, and whether it has a kubelet's form
- `issue`: issues key pairs: a self-signed one in a kubelet's form, a CA's, and a server's
- each other module mirrors one part of Go's parser or verifier: `der`, `pem`, `names`, `sans`,
  `keys`, `signatures`, `extensions`, `chains`, `constraints`, `gotext`

docs/internals/x509.md lists where Go, OpenSSL and `cryptography` differ. tests/x509 compares
this package with recorded results of Go.
"""

from kubevouch.x509.bundle import read_certificate_der as read_certificate_der
from kubevouch.x509.bundle import read_certificates as read_certificates
from kubevouch.x509.bundle import read_pem as read_pem
from kubevouch.x509.bundle import write_certificates as write_certificates
from kubevouch.x509.certificate import Certificate as Certificate
from kubevouch.x509.csr import CertificateRequest as CertificateRequest
from kubevouch.x509.csr import read_csr as read_csr
from kubevouch.x509.errors import X509Error as X509Error
from kubevouch.x509.gotext import printable as printable
from kubevouch.x509.gotext import unmapped as unmapped
from kubevouch.x509.issue import KeyKind as KeyKind
from kubevouch.x509.issue import kubelet_self_signed as kubelet_self_signed
from kubevouch.x509.issue import new_authority as new_authority
from kubevouch.x509.issue import signed_serving_pair as signed_serving_pair
from kubevouch.x509.keys import PublicKey as PublicKey
from kubevouch.x509.kinds import CertificateKind as CertificateKind
from kubevouch.x509.kinds import classify as classify
from kubevouch.x509.kinds import describe as describe
from kubevouch.x509.kinds import duration_text as duration_text
from kubevouch.x509.kinds import life_used as life_used
from kubevouch.x509.kinds import misnamed as misnamed
from kubevouch.x509.kinds import node_name_of as node_name_of
from kubevouch.x509.names import Name as Name
from kubevouch.x509.reasons import Verdict as Verdict
from kubevouch.x509.reasons import VerifyReason as VerifyReason
from kubevouch.x509.verify import ExtKeyUsage as ExtKeyUsage
from kubevouch.x509.verify import hostname_failure as hostname_failure
from kubevouch.x509.verify import verify as verify
