"""The errors of this room. Hostile bytes never raise anything else."""

from kubevouch.errors import KubevouchError


class X509Error(KubevouchError):
    """Bytes cannot be read as a certificate, a CSR, a key or a PEM file. The file must be corrected at its source."""


class Malformed(ValueError):
    """Raised inside this room only, with the text of Go's parser for the same bytes.

    The readers (`read_pem`, `read_certificate_der`, `read_csr`) turn it into an X509Error that names the file.
    """
