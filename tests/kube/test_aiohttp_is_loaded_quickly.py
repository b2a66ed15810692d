"""aiohttp reads the authorities that this machine trusts for contexts which nothing of ours uses: we load it without."""

import subprocess
import sys

import pytest

_PROGRAM = """
import ssl
reads = ssl.SSLContext.set_default_verify_paths
import {module}
from aiohttp import connector
unused = connector._SSL_CONTEXT_VERIFIED
assert unused.cert_store_stats()["x509"] == 0, "read"
assert unused.verify_mode is ssl.CERT_REQUIRED and unused.check_hostname
assert connector._SSL_CONTEXT_UNVERIFIED.cert_store_stats()["x509"] == 0, "read"
assert ssl.SSLContext.set_default_verify_paths is reads, "others read nothing either"
"""


@pytest.mark.parametrize(
    "module",
    [
        "kubevouch.kube.io.client",
        "kubevouch.cli.common.connect",
        "kubevouch.serve.listener",
        "kubevouch.serve.process",
    ],
)
def test_its_own_contexts_read_nothing_and_trust_nobody(module: str) -> None:
    words = [sys.executable, "-c", _PROGRAM.format(module=module)]
    ran = subprocess.run(words, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
