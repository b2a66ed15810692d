"""What this room raises. Nothing else leaves it, whatever bytes go in."""

from kubevouch.errors import KubevouchError


class X509Error(KubevouchError):
    """Bytes that should have been a certificate, a request, a key or a PEM file, and are not.

    The caller cannot mend them; whoever wrote the file can.
    """


class Malformed(ValueError):
    """Inside this room only: the text is the one Go's parser has for the same bytes.

    The readers (`read_pem`, `read_certificate`, `read_request`) turn it into an X509Error that names the file.
    """
