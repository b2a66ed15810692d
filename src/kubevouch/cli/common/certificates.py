"""A certificate as JSON, with the same fields in every document."""

from kubevouch.x509 import Certificate, classify


def certificate_json(certificate: Certificate) -> dict[str, object]:
    """The fields of a certificate. Names are stable, times are in RFC 3339."""
    return {
        "kind": str(classify(certificate)),
        "subject": str(certificate.subject),
        "issuer": str(certificate.issuer),
        "serial": certificate.serial_text,
        "notBefore": certificate.not_before,
        "notAfter": certificate.not_after,
        "dnsNames": certificate.dns_names,
        "ipAddresses": [str(address) for address in certificate.ip_addresses],
        "key": str(certificate.key),
        "sha256": certificate.fingerprint,
    }
