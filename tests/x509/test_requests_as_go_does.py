"""A request without a quirk is what Go reads and accepts; any other one has a quirk, or is refused."""

from base64 import b64decode

from cryptography.x509 import DNSName, SubjectAlternativeName, load_pem_x509_csr

from kubevouch.x509 import CertificateRequest, X509Error, read_csr
from kubevouch.x509.gotext import address_text
from tests.support.rows import of_each
from tests.x509.recorded import Judged, Line, judged, name_of

REQUESTS = judged("requests")
EACH = of_each(REQUESTS, name_of)


def read(case: Line) -> CertificateRequest | X509Error:
    try:
        return read_csr(b64decode(case["pem"]), "here")
    except X509Error as error:
        return error


@EACH
def test_it_shows_what_the_signer_signs_and_without_a_quirk_all_of_gos(
    judged: Judged,
) -> None:
    """What Go refuses is an error or has a quirk, the second best answer (see csr.py), and so has what no kubelet sends."""
    case, go = judged
    request = read(case)
    if isinstance(request, X509Error):
        assert "refused" in go and not case["quirks"]
        return
    if not request.quirk:
        assert not {"refused", "signature", "emails", "uris"} & go.keys()
    if not case["case"].startswith("spoilt"):  # made by dice: nobody said what is wrong with them
        assert bool(request.quirk) == bool(case["quirks"])
    if "refused" not in go:
        assert _told(request) == _said(go)
        assert request.signature_fault == go.get("signature", "")


def test_another_reader_sees_another_name_where_go_sees_the_lie() -> None:
    """Why a request with two attributes is never decided on by what it shows."""
    name = "attributes: Microsoft's first, then the lie"
    (case, go) = next(pair for pair in REQUESTS if pair[0]["case"] == name)
    other = load_pem_x509_csr(b64decode(case["pem"]))
    shown = other.extensions.get_extension_for_class(SubjectAlternativeName).value
    assert other.is_signature_valid
    assert shown.get_values_for_type(DNSName) == ["w2"]
    assert go["dns"] == ["kubernetes.default.svc"]


def _told(request: CertificateRequest) -> Line:
    return {
        "subject": str(request.subject),
        "dns": list(request.dns_names),
        "ips": list(map(address_text, request.ip_addresses)),
        "emails": list(request.alt_names.emails),
        "uris": list(request.alt_names.uris),
        "key": str(request.key),
    }


def _said(go: Line) -> Line:
    return {
        "subject": go.get("subject", ""),
        "key": go["key"],
        **{kind: go.get(kind, []) for kind in ("dns", "ips", "emails", "uris")},
    }
