"""The files of --kubelet-certificate-authority, --kubelet-client-certificate and -key: how they are read, and what the log says."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from kubevouch.cli.metrics_server.run import kubelet_certificate, kubelet_roots
from kubevouch.errors import UsageError
from kubevouch.kube.access import cluster_access
from kubevouch.kube.io.credentials import TOKEN_FILE_SECONDS
from kubevouch.serve.logs import Log
from tests.support.authority import Authority
from tests.support.clocks import WoundClock


async def test_a_pair_that_does_not_fit_is_refused_first_and_told_later(tmp_path: Path) -> None:
    authority, clock = Authority(), WoundClock()
    lines: list[str] = []
    log = Log(lines.append, clock)
    first, second = authority.client("first"), authority.client("second")
    chain, key = tmp_path / "client.crt", tmp_path / "client.key"
    files = (str(chain), str(key))
    chain.write_bytes(first.chain)
    key.write_bytes(second.key)
    with pytest.raises(UsageError, match=r"--kubelet-client-key.*does not belong"):
        await kubelet_certificate(*files, clock, log)
    key.write_bytes(first.key)
    found = await kubelet_certificate(*files, clock, log)
    assert found is not None
    good = await found.current()
    chain.write_bytes(second.chain)
    for _ in range(10):
        clock.wind(timedelta(seconds=TOKEN_FILE_SECONDS))
        assert await found.current() == good
    assert len(lines) == 1
    assert "Failed to reload the client certificate for kubelets" in lines[0]
    assert "the key does not belong to the certificate" in lines[0]


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="the shell names a pipe by /dev/fd")
async def test_authorities_that_come_by_a_pipe_are_read_once(tmp_path: Path) -> None:
    """--kubelet-certificate-authority=<(...): there is nothing in it for a second one who reads."""
    pem, clock, lines = Authority().pem, WoundClock(), list[str]()
    config = tmp_path / "config"
    config.write_text(CONFIG, encoding="utf-8")
    reading, writing = os.pipe()
    os.write(writing, pem)
    os.close(writing)
    file = f"/dev/fd/{reading}"
    access = cluster_access({}, kubeconfig=str(config))
    roots = kubelet_roots(access, file, clock, Log(lines.append, clock))
    assert roots().pem == pem
    clock.wind(timedelta(minutes=2))
    assert roots().pem == pem
    [line] = lines
    assert "the previous ones stay in use" in line
    os.close(reading)
    with pytest.raises(UsageError, match=r"^--kubelet-certificate-authority /dev/fd/.*cannot be"):
        kubelet_roots(access, file, clock, Log(lines.append, clock))


CONFIG = """\
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://192.0.2.1:6443"}}]
users: [{name: u, user: {token: t}}]
"""
