"""What the log says of the files of --kubelet-client-certificate and -key."""

from datetime import timedelta
from pathlib import Path

import pytest

from kubevouch.cli.metrics_server.run import kubelet_certificate
from kubevouch.cli.metrics_server.settings import KubeletFlags
from kubevouch.errors import UsageError
from kubevouch.kube.io.credentials import TOKEN_FILE_SECONDS
from kubevouch.metrics.fleet import KubeletAddressing
from kubevouch.metrics.scraping import ScrapeSettings
from kubevouch.serve.logs import Log
from tests.support.authority import Authority
from tests.support.clocks import WoundClock


async def test_a_pair_that_does_not_fit_together_is_refused_at_the_start_and_told_later(
    tmp_path: Path,
) -> None:
    authority, clock = Authority(), WoundClock()
    lines: list[str] = []
    log = Log(lines.append, clock)
    first, second = authority.client("first"), authority.client("second")
    chain, key = tmp_path / "client.crt", tmp_path / "client.key"
    flags = KubeletFlags(ScrapeSettings(), KubeletAddressing(), "", str(chain), str(key), "")
    chain.write_bytes(first.chain)
    key.write_bytes(second.key)
    with pytest.raises(UsageError, match=r"--kubelet-client-key.*does not belong"):
        await kubelet_certificate(flags, clock, log)
    key.write_bytes(first.key)
    found = await kubelet_certificate(flags, clock, log)
    assert found is not None
    good = await found.current()
    chain.write_bytes(second.chain)
    for _ in range(10):
        clock.wind(timedelta(seconds=TOKEN_FILE_SECONDS))
        assert await found.current() == good
    assert len(lines) == 1
    assert "Failed to read the client certificate for kubelets again" in lines[0]
    assert "the key does not belong to the certificate" in lines[0]
