"""What the archive's program runs: kubevouch, where no Python is installed."""

import os

from kubevouch.cli import main

# PyInstaller's way to its own libraries is not that of the programs that kubevouch starts, as ssh.
before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
os.environ.pop("LD_LIBRARY_PATH", None)
if before:
    os.environ["LD_LIBRARY_PATH"] = before

# OpenSSL has only the place of the system that it was built on. These are Go's, crypto/x509/root_linux.go.
ROOTS = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
found = next(filter(os.path.exists, ROOTS), None)
if found:
    os.environ.setdefault("SSL_CERT_FILE", found)

main()
