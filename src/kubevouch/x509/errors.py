"""The errors of this package. Hostile input never raises any other exception."""

from kubevouch.errors import KubevouchError


class X509Error(KubevouchError):
    """A certificate, CSR, key or PEM file cannot be read or used. The message names its source."""


class Malformed(ValueError):
    """A parse error, with the text of Go's parser for the same bytes. Never leaves this package.

    The public readers (`read_pem`, `read_certificate_der`, `read_csr`) turn it into an X509Error
    that names the file.
    """
