"""The serving certificate and the trusted authorities, renewed while a server runs: one source never holds up another."""

import contextlib
import errno
import os
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from kubevouch.errors import ExitCode, UsageError
from kubevouch.kube.io.client import ApiClient
from kubevouch.serve.client_trust import ClientTrust
from kubevouch.serve.key_pair import KeyPairSource, NamedPair, key_pair_source
from kubevouch.serve.listener import Listener
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import HttpRequest, HttpResponse, text_response
from kubevouch.serve.tls_reload import RELOAD_INTERVAL, TlsReloader, TlsSources
from kubevouch.x509 import read_certificates
from tests.serve.conftest import presented
from tests.support.apiservers import MOMENT
from tests.support.authority import Authority, Pair
from tests.support.clocks import SteppedClock
from tests.support.front_proxy import NAME, Authorities
from tests.support.scripted import faults
from tests.support.scripted.apiserver import ScriptedApiServer
from tests.support.self_signed import with_an_address_of_three_bytes
from tests.support.tasks import meanwhile

RECORDED = Path(__file__).parents[1] / "fixtures" / "kubeadm-1.36"
CONFIG_MAP = f"/api/v1/namespaces/kube-system/configmaps/{NAME}"


@dataclass
class Renewing:
    """A reloader whose pair lies in files, and the clock that it waits for."""

    folder: Path
    clock: SteppedClock
    reloader: TlsReloader
    lines: list[str]
    given: list[ClientTrust]
    """What the flags have given; the last one holds."""
    port: int = 0

    def put(self, authority: Authority, *, key: bytes | None = None) -> bytes:
        """Puts another pair into the files; its certificate in DER."""
        pair = authority.serving("127.0.0.1")
        self.put_pair(pair if key is None else Pair(pair.chain, key))
        return read_certificates(pair.chain, "put")[0].der

    def put_pair(self, pair: Pair) -> None:
        (self.folder / "tls.crt").write_bytes(pair.chain)
        (self.folder / "tls.key").write_bytes(pair.key)

    async def served(self) -> bytes:
        return await presented(self.port)

    async def look(self) -> None:
        """Lets it look at its sources once."""
        await self.clock.wind(timedelta(seconds=RELOAD_INTERVAL))

    def said(self, text: str) -> int:
        return sum(text in line for line in self.lines)


@contextlib.asynccontextmanager
async def reloading(
    folder: Path, api: ApiClient, *, names: tuple[str, ...], verbosity: int
) -> AsyncIterator[Renewing]:
    """A server whose pair is read from files. names: for which it serves that pair by SNI, too; if empty, the names in its certificate."""
    clock, lines = SteppedClock(MOMENT, settle=0.05), list[str]()
    files = str(folder / "tls.crt"), str(folder / "tls.key")
    pair = Authority("first").serving("127.0.0.1")
    Path(files[0]).write_bytes(pair.chain)
    Path(files[1]).write_bytes(pair.key)
    source = key_pair_source(*files, "", now=MOMENT, random_serial=random.Random(1).getrandbits)
    named = NamedPair(KeyPairSource("named", source.files), names)
    log = Log(lines.append, clock, verbosity=verbosity)
    given = [ClientTrust()]
    sources = TlsSources(source, (named,), flag_trust=lambda: given[-1])
    reloader = TlsReloader(api, clock, log, sources)
    _, tls = await reloader.start(tolerate_missing=False)

    async def answer(_: HttpRequest) -> HttpResponse:
        return text_response("done")

    async with (
        meanwhile(reloader.run()),
        Listener(answer, tls, clock, host="127.0.0.1", port=0) as listener,
    ):
        yield Renewing(folder, clock, reloader, lines, given, listener.port)


@pytest.fixture
async def renewing(
    tmp_path: Path, api: ApiClient, api_server: ScriptedApiServer, authorities: Authorities
) -> AsyncIterator[Renewing]:
    authorities.publish(api_server)
    async with reloading(tmp_path, api, names=("a.example",), verbosity=2) as found:
        yield found


async def test_a_certificate_is_renewed_while_the_published_trust_cannot_be_read(
    renewing: Renewing, api_server: ScriptedApiServer
) -> None:
    """Nobody would notice before it expires."""
    before = renewing.reloader.authentication.trust
    api_server.faults.on(CONFIG_MAP, faults.answer(500))
    pair = renewing.put(Authority("second"))
    await renewing.look()
    assert await renewing.served() == pair
    assert renewing.said('"Reloaded the serving certificate') == 1
    assert renewing.reloader.authentication.trust == before
    # The error is said once while it lasts.
    for _ in range(3):
        await renewing.look()
    assert renewing.said('"Failed to reload') == 1
    assert renewing.said('"Reloaded the serving certificate') == 1


async def test_authorities_are_renewed_while_the_pair_cannot_be_used(
    renewing: Renewing, api_server: ScriptedApiServer
) -> None:
    """Its two files are replaced one after the other; or somebody has put the wrong one there."""
    renewing.put(Authority("second"), key=Authority("third").serving("127.0.0.1").key)
    before, other = await renewing.served(), Authorities()
    other.publish(api_server)
    await renewing.look()
    assert renewing.reloader.authentication.trust.proxy_ca == other.proxy.pem
    assert await renewing.served() == before
    assert renewing.said("the key does not belong to the certificate") == 2  # of either name


@pytest.mark.parametrize(("names", "verbosity"), [((), 0), (("a.example",), 2)])
async def test_a_pair_that_openssl_takes_and_go_does_not_leaves_the_one_before_in_use(
    tmp_path: Path,
    api: ApiClient,
    api_server: ScriptedApiServer,
    authorities: Authorities,
    names: tuple[str, ...],
    verbosity: int,
) -> None:
    """Where its names were asked for, or a line of the log was due, it ended the server."""
    authorities.publish(api_server)
    async with reloading(tmp_path, api, names=names, verbosity=verbosity) as renewing:
        before = await renewing.served()
        renewing.put_pair(with_an_address_of_three_bytes())
        for _ in range(2):
            await renewing.look()
            assert await renewing.served() == before
        assert renewing.said("cannot parse IP address of length 3") == 2  # of either name
        pair = renewing.put(Authority("second"))
        await renewing.look()
        assert await renewing.served() == pair


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("verbosity", [0, 2])
async def test_such_a_pair_is_refused_at_the_start_as_well(
    tmp_path: Path, api: ApiClient, *, named: bool, verbosity: int
) -> None:
    """As metrics-server refuses it (tls.X509KeyPair in apiserver's dynamic_serving_content.go), whatever is logged."""
    files = str(tmp_path / "tls.crt"), str(tmp_path / "tls.key")
    pair = with_an_address_of_three_bytes()
    Path(files[0]).write_bytes(pair.chain)
    Path(files[1]).write_bytes(pair.key)
    bits = random.Random(1).getrandbits
    bad = key_pair_source(*files, "", now=MOMENT, random_serial=bits)
    good = key_pair_source("", "", "", now=MOMENT, random_serial=bits)
    sources = (
        TlsSources(good, (NamedPair(bad, ("a.example",)),), use_published=False)
        if named
        else TlsSources(bad, use_published=False)
    )
    clock = SteppedClock(MOMENT)
    reloader = TlsReloader(api, clock, Log(list[str]().append, clock, verbosity=verbosity), sources)
    with pytest.raises(UsageError) as refused:
        await reloader.start(tolerate_missing=False)
    assert str(refused.value).startswith(
        f"--tls-cert-file {files[0]}, --tls-private-key-file {files[1]}: "
    )
    assert "cannot parse IP address of length 3" in str(refused.value)
    assert refused.value.exit_code is ExitCode.USAGE


async def test_a_pair_is_renewed_while_the_authorities_cannot_be_used(renewing: Renewing) -> None:
    renewing.given.append(ClientTrust(client_ca=b"no authority"))
    pair = renewing.put(Authority("second"))
    await renewing.look()
    assert await renewing.served() == pair
    assert renewing.said('"Failed to reload') == 1
    renewing.given.append(ClientTrust(client_ca=Authority("clients").pem))
    await renewing.look()
    assert renewing.reloader.authentication.trust.client_ca == renewing.given[-1].client_ca


async def test_a_pair_that_cannot_be_loaded_for_want_of_files_is_loaded_later(
    renewing: Renewing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pair is handed to OpenSSL by an open file, of which a crowd of clients may have taken the last."""

    def none_left(_: str) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    before = await renewing.served()
    pair = renewing.put(Authority("second"))
    with monkeypatch.context() as patched:
        patched.setattr(os, "memfd_create", none_left, raising=False)
        patched.setattr("tempfile.mkdtemp", none_left)
        await renewing.look()
    assert await renewing.served() == before
    assert renewing.said('"Failed to reload') == 2  # of either name
    await renewing.look()
    assert await renewing.served() == pair
