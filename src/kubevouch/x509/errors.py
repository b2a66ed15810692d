"""The errors of this room. Hostile bytes never raise anything else."""

from kubevouch.errors import KubevouchError


class X509Error(KubevouchError):
    """Bytes are no readable certificate, CSR, key or PEM file.

    The file must be corrected at its source.
    """


class Malformed(ValueError):
    """Raised inside this room only, with Go's parser text for the same bytes.

    The readers (`read_pem`, `read_certificate_der`, `read_csr`) turn it into an X509Error that
    names the file.
    """
