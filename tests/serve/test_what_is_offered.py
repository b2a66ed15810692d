"""TLS as flags choose it, seen by real clients: openssl s_client, and Python's ssl with OpenSSL below it."""

import asyncio
import contextlib
import random
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kubevouch.cli.metrics_server.settings import TlsFlags
from kubevouch.kube.io.client import ApiClient
from kubevouch.serve.client_trust import ClientTrustFiles
from kubevouch.serve.key_pair import key_pair_source
from kubevouch.serve.listener import Listener
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import HttpRequest, HttpResponse, text_response
from kubevouch.serve.tls_reload import RELOAD_INTERVAL, TlsReloader, TlsSources
from kubevouch.tls.suites import KNOWN, TLS_1_3, suites_of
from kubevouch.x509 import read_certificate_der
from tests.metrics_server.command_line import settings
from tests.support.apiservers import MOMENT
from tests.support.authority import Authority
from tests.support.clocks import SteppedClock
from tests.support.tasks import meanwhile
from tests.support.unhurried import GENEROUS

AUTHORITY = Authority("served")
CLOCK = SteppedClock(MOMENT)


def flags(minimum: str = "", suites: tuple[str, ...] = (), pairs: tuple[str, ...] = ()) -> TlsFlags:
    words = [f"--tls-min-version={minimum}", *(f"--tls-cipher-suites={each}" for each in suites)]
    return settings(*words, *(f"--tls-sni-cert-key={each}" for each in pairs)).tls


@contextlib.asynccontextmanager
async def serving(
    api: ApiClient,
    chosen: TlsFlags,
    *,
    clock: SteppedClock = CLOCK,
    trust: ClientTrustFiles | None = None,
) -> AsyncIterator[int]:
    """A server with these flags and a certificate for localhost; its port."""

    async def answer(request: HttpRequest) -> HttpResponse:
        return text_response(str(len(request.certificates)))

    pair = key_pair_source("", "", "", now=MOMENT, random_serial=random.Random(3).getrandbits)
    sources = TlsSources(
        pair,
        chosen.named,
        (trust or ClientTrustFiles()).read,
        use_published=False,
        settings=chosen.settings,
    )
    reloader = TlsReloader(api, clock, Log(lambda _: None, clock), sources)
    _, tls = await reloader.start(tolerate_missing=False)
    async with (
        meanwhile(reloader.run()),
        Listener(answer, tls, clock, host="127.0.0.1", port=0) as listener,
    ):
        yield listener.port


def client(**limits: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in limits.items():
        setattr(context, name, value)
    return context


async def shaken(port: int, context: ssl.SSLContext, name: str | None = None) -> ssl.SSLObject:
    """The connection after a handshake. Raises SSLError, ConnectionError."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    found = writer.get_extra_info("ssl_object")
    assert isinstance(found, ssl.SSLObject)
    writer.transport.abort()
    return found


async def test_a_minimum_version_refuses_older_clients(api: ApiClient) -> None:
    older = client(maximum_version=ssl.TLSVersion.TLSv1_2)
    async with serving(api, flags("VersionTLS13")) as port:
        assert (await shaken(port, client())).version() == "TLSv1.3"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await shaken(port, older)
    for name in ("", "VersionTLS10", "VersionTLS12"):
        async with serving(api, flags(name)) as port:
            assert (await shaken(port, older)).version() == "TLSv1.2"
    assert flags("VersionTLS10").warnings
    assert not flags("VersionTLS12").warnings


async def test_no_stranger_chooses_a_group_that_takes_long(api: ApiClient) -> None:
    """One handshake with ffdhe8192 took the server 0.12 s of processor, and whoever asks for it nothing: ten a second ended it."""
    groups = {name: client() for name in ("ffdhe8192", "ffdhe4096", "prime256v1")}
    for name, context in groups.items():
        context.set_ecdh_curve(name)
    async with serving(api, flags()) as port:
        for name in ("ffdhe8192", "ffdhe4096"):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await shaken(port, groups[name])
        assert (await shaken(port, groups["prime256v1"])).version() == "TLSv1.3"
        assert (await shaken(port, client())).version() == "TLSv1.3"
        older = client(maximum_version=ssl.TLSVersion.TLSv1_2)
        assert (await shaken(port, older)).version() == "TLSv1.2"


ONE = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
OTHER = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"


@pytest.mark.skipif(not shutil.which("openssl"), reason="asks with openssl s_client")
async def test_the_chosen_suites_are_offered_and_no_others(api: ApiClient) -> None:
    """By openssl s_client, which offers one suite of TLS 1.2 after the other."""

    async def agreed(port: int, suite: str) -> bool:
        asked = await asyncio.to_thread(
            subprocess.run,
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2", "-cipher", suite],
            input=b"",
            capture_output=True,
            check=False,
            timeout=30,
        )
        return f"Cipher is {suite}" in asked.stdout.decode()

    async with serving(api, flags(suites=(ONE, "TLS_AES_128_GCM_SHA256"))) as port:
        assert await agreed(port, "ECDHE-ECDSA-AES256-GCM-SHA384")
        for suite in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"):
            assert not await agreed(port, suite)
        assert (await shaken(port, client())).version() == "TLSv1.3"
    cbc = "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"
    async with serving(api, flags(suites=(OTHER, cbc))) as port:
        assert await agreed(port, "ECDHE-ECDSA-CHACHA20-POLY1305")
        assert await agreed(port, "ECDHE-ECDSA-AES128-SHA256")
    assert flags(suites=(OTHER, cbc)).warnings == (f"Use of insecure cipher '{cbc}' detected.",)


async def test_suites_of_tls_1_3_alone_leave_no_older_version(api: ApiClient) -> None:
    async with serving(api, flags(suites=("TLS_AES_128_GCM_SHA256",))) as port:
        assert (await shaken(port, client())).version() == "TLSv1.3"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await shaken(port, client(maximum_version=ssl.TLSVersion.TLSv1_2))


def test_openssl_has_each_suite_by_the_name_that_we_give_it() -> None:
    for name in sorted(KNOWN - TLS_1_3):
        chosen = suites_of([name])
        assert bool(chosen.openssl) is not bool(chosen.left_out)
        for openssl in chosen.openssl:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.set_ciphers(f"@SECLEVEL=0:{openssl}")
            assert openssl in {each["name"] for each in context.get_ciphers()}


def put(folder: Path, name: str, *names: str) -> str:
    """A pair in two files; the flag's value."""
    pair = AUTHORITY.serving(*names)
    (folder / f"{name}.crt").write_bytes(pair.chain)
    (folder / f"{name}.key").write_bytes(pair.key)
    return f"{folder / name}.crt,{folder / name}.key"


async def test_who_asks_for_a_name_gets_its_certificate(api: ApiClient, tmp_path: Path) -> None:
    """The first that has the name, given names before those in a certificate, whole names before stars."""
    pairs = (
        put(tmp_path, "own", "a.example", "*.b.example"),
        put(tmp_path, "given", "x.example") + ":c.example,*.d.example",
        put(tmp_path, "second", "y.example") + ":c.example,one.b.example",
    )
    clock = SteppedClock(MOMENT)
    async with serving(api, flags(pairs=pairs), clock=clock) as port:

        async def got(name: str | None) -> tuple[str, ...]:
            found = await shaken(port, client(), name)
            der = found.getpeercert(binary_form=True)
            assert der
            return read_certificate_der(der, "served").dns_names

        assert await got("a.example") == ("a.example", "*.b.example")
        assert await got("A.Example") == ("a.example", "*.b.example")
        assert await got("any.b.example") == ("a.example", "*.b.example")
        assert await got("one.b.example") == ("y.example",)
        assert await got("c.example") == ("x.example",)
        assert await got("any.d.example") == ("x.example",)
        for name in ("any.of.d.example", "x.example", "d.example", "other.example"):
            assert await got(name) == ("localhost",)
        # It is replaced in its files.
        put(tmp_path, "own", "a.example")
        async with asyncio.timeout(GENEROUS):
            while await got("a.example") != ("a.example",):
                await clock.pass_(RELOAD_INTERVAL)


async def test_an_authority_in_a_file_is_read_again_when_it_changes(
    api: ApiClient, tmp_path: Path
) -> None:
    """Seen by a client whose certificate a new authority has signed: the handshake fails before."""
    old, new = Authority("old"), Authority("new")
    path = tmp_path / "ca.crt"
    path.write_bytes(old.pem)
    clock = SteppedClock(MOMENT)
    pair = new.client("user")
    (tmp_path / "pair").write_bytes(pair.key + pair.chain)
    context = client()
    context.load_cert_chain(tmp_path / "pair")
    trust = ClientTrustFiles(str(path))

    async def seen(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        try:
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return (await reader.read())[-1:]
        except (ssl.SSLError, ConnectionError):
            return b""
        finally:
            writer.transport.abort()

    async with serving(api, flags(), clock=clock, trust=trust) as port:
        assert await seen(port) == b""
        path.write_bytes(old.pem + new.pem)
        async with asyncio.timeout(GENEROUS):
            while await seen(port) != b"1":
                await clock.pass_(RELOAD_INTERVAL)
        # A file that is being written changes nothing.
        path.write_bytes(new.pem[:100])
        await clock.pass_(RELOAD_INTERVAL)
        assert await seen(port) == b"1"
