"""The prober tells apart what can happen to a handshake, and the reader finds the longest silence."""

import hashlib
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from real import clock
from real.errors import BedError
from real.handshake import Seen, context, shake
from real.prober import Attempt, largest_gap, probing, read
from tests.support.authority import Authority
from tests.support.contexts import server_context

LOOPBACK = "127.0.0.1"


PAIR = Authority().serving(LOOPBACK)
LEAF = ssl.PEM_cert_to_DER_cert(PAIR.chain.decode())


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A listener on a free port, whose every connection is answered in a thread."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        stop = threading.Event()

        def accept() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    answer(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=10)


def tls_answer(tls: ssl.SSLContext) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        try:
            with tls.wrap_socket(connection, server_side=True) as wrapped:
                wrapped.recv(1)
        except OSError:
            return

    return answer


def seen(port: int, seconds: float = 5.0) -> Seen:
    return shake(LOOPBACK, port=port, seconds=seconds, tls=context())


def test_a_served_certificate_is_seen_though_nobody_vouches_for_it() -> None:
    with listening(tls_answer(server_context(PAIR))) as port:
        assert seen(port) == Seen("ok", LEAF)


def test_an_alert_is_seen_by_its_name() -> None:
    tls = server_context(PAIR)
    tls.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
    with listening(tls_answer(tls)) as port:
        assert seen(port).outcome == "alert:internal_error"


def test_a_port_that_nobody_listens_on_refuses() -> None:
    with listening(lambda _: None) as port:
        pass
    assert seen(port).outcome == "refused"


def test_a_connection_closed_before_the_handshake_is_a_reset() -> None:
    with listening(lambda connection: connection.close()) as port:
        assert seen(port).outcome == "reset"


def test_a_peer_that_says_nothing_is_a_timeout() -> None:
    enough = threading.Event()

    def hold(_: socket.socket) -> None:
        enough.wait(30)

    with listening(hold) as port:
        assert seen(port, seconds=0.2).outcome == "timeout"
        enough.set()


def test_the_process_writes_every_attempt_until_it_is_ended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (
        listening(tls_answer(server_context(PAIR))) as port,
        probing(sys.executable, log, [LOOPBACK], port=port),
    ):
        clock.until("five attempts", lambda: len(read(log)) >= 5, seconds=30)
    attempts = read(log)
    first = attempts[0]
    assert (first.outcome, first.leaf) == ("ok", hashlib.sha256(LEAF).hexdigest())
    assert all(attempt.began <= attempt.ended for attempt in attempts)
    assert len(read(log)) == len(attempts)


def test_a_line_half_written_is_left_for_later(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b'{"address":"a","began":1,"ended":2,"outcome":"ok"}\n{"address":"a","beg')
    assert read(log) == (Attempt("a", 1, 2, "ok"),)


def test_the_largest_gap_lies_between_successes_of_one_kubelet_whatever_came_between() -> None:
    attempts = [
        Attempt("a", 0.0, 0.01, "ok"),
        Attempt("b", 0.0, 0.01, "ok"),
        Attempt("a", 0.1, 0.11, "refused"),
        Attempt("b", 0.1, 0.11, "ok"),
        Attempt("a", 0.9, 0.91, "ok"),
        Attempt("a", 1.0, 1.01, "ok"),
    ]
    gap = largest_gap(attempts, "a")
    assert (gap.began, gap.ended) == (0.01, 0.91)
    assert gap.seconds == pytest.approx(0.9)
    assert largest_gap(attempts, "b").seconds == pytest.approx(0.1)


def test_a_kubelet_that_was_seen_once_has_no_gap_to_tell() -> None:
    with pytest.raises(BedError, match="two at least"):
        largest_gap([Attempt("a", 0, 1, "ok")], "a")
