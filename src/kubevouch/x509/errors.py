"""The errors of this package. Hostile input never raises any other exception."""

from kubevouch.errors import KubevouchError


class X509Error(KubevouchError):
    """The bytes are not a readable certificate, CSR, key or PEM file.

    The file must be corrected at its source.
    """


class Malformed(ValueError):
    """A parse error, with the text of Go's parser for the same bytes. Never leaves this package.

    The public readers (`read_pem`, `read_certificate_der`, `read_csr`) turn it into an X509Error
    that names the file.
    """
