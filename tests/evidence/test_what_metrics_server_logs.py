"""metrics-server's log: the newest complaint about each node, and nothing that a log may hold breaks it."""

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from kubevouch.diagnose.rules.wire import code_in_log
from kubevouch.evidence.scrape_log import denials, scrape_failures
from kubevouch.evidence.snapshot import runs_ours
from kubevouch.kube.errors import Forbidden
from kubevouch.kube.resources import Container
from kubevouch.metrics.fleet import FleetNode
from kubevouch.metrics.scraping import ScrapeFailure
from kubevouch.metrics.serving.instruments import Instruments, ScrapeLog
from kubevouch.serve.logs import Log, LogFormat
from tests.support.clocks import WoundClock

RECORDED = Path(__file__).parents[1] / "fixtures" / "story" / "expired.log"


def quoted(text: str) -> str:
    """As Go's strconv.Quote writes text without line breaks (klog's internal/serialize/keyvalues.go)."""
    named = {'"': '\\"', "\\": "\\\\", "\t": "\\t", "\r": "\\r", "\x07": "\\a", "\x1b": "\\x1b"}
    return '"' + "".join(named.get(each, each) for each in text) + '"'


def line(error: str, node: str, message: str = "Failed to scrape node") -> str:
    return f'E1124 23:00:45.443783       1 scraper.go:149] "{message}" err={quoted(error)} node="{node}"'


def test_the_newest_complaint_about_each_node_of_a_real_log() -> None:
    log = RECORDED.read_text(encoding="utf-8")
    found = scrape_failures(log, "metrics-server-0")
    assert [each.node.split(".")[0] for each in found] == [
        "k8s-master",
        "k8s-worker-1",
        "k8s-worker-2",
        "k8s-worker-3",
    ]
    newest = re.findall(r"current time (\S+) is after", log)[-1]
    for each in found:
        assert each.pod == "metrics-server-0"
        assert each.text.startswith('Get "https://192.168.88.11')
        assert f"current time {newest} is after" in each.text
        assert code_in_log(each.text) == "KV304"


def test_a_time_out_has_words_of_its_own() -> None:
    said = line('Get "https://10.0.0.5:10250/metrics/resource": context deadline exceeded', "n")
    [found] = scrape_failures(
        said.replace('node"', 'node, timeout to access kubelet"', 1) + ' timeout="13.5s"', "p"
    )
    assert found.text.endswith("context deadline exceeded")


def test_lines_as_json_and_those_of_nodes_that_are_not_ready_are_read_too() -> None:
    log = "\n".join((
        '{"ts":1795557600000.001,"caller":"scraper/scraper.go:149","msg":"Failed to scrape node","node":"a","err":"Get: \\"x\\""}',
        '{"ts":1795557600000.001,"caller":"scrape_log.py:50","msg":"Failed to scrape node, timeout to access kubelet","err":"late \\ud800","node":"b"}',
        '{"ts":1795557600000.001,"caller":"x.py:1","msg":"Scraped node","note":"Failed to scrape node","err":"no","node":"z"}',
        '{"msg":"Failed to scrape node","err":1,"node":"y"}',
        '{"msg":"Failed to scrape node"',
        'I1124 23:00:45.443783       1 scraper.go:140] "Failed to scrape node, node is not ready" node="c" err="dial \\"c\\""',
    ))  # fmt: skip
    found = {each.node: each.text for each in scrape_failures(log, "p")}
    assert found == {"a": 'Get: "x"', "b": "late ?", "c": 'dial "c"'}


def scrape_log(form: LogFormat, verbosity: int = 0) -> tuple[ScrapeLog, list[str]]:
    """Of our own metrics server, and its lines."""
    lines: list[str] = []
    clock = WoundClock(datetime(2026, 11, 24, 12, tzinfo=UTC))
    log = Log(lines.append, clock, form=form, verbosity=verbosity)
    return ScrapeLog(log, clock, Instruments(CollectorRegistry(), 15.0), 9.0), lines


W1 = FleetNode("w1", {}, "10.0.0.5", 10250, "/metrics/resource", ready=True)


@pytest.mark.parametrize("form", list(LogFormat))
def test_what_our_own_metrics_server_writes_is_read(form: LogFormat) -> None:
    scraping, lines = scrape_log(form)
    said = 'Get "https://10.0.0.5:10250/metrics/resource": tls: failed to verify certificate: x509: certificate signed by unknown authority'
    scraping.scraped(W1, 0.1, ScrapeFailure("unknown_authority", said))
    denied = (
        'nodes is forbidden: User "system:serviceaccount:kube-system:kubevouch-metrics-server" cannot list resource '
        '"nodes" in API group "" at the cluster scope'
    )
    scraping.watch_failed("nodes", Forbidden("GET", denied, code=403, message=denied))
    # Under upstream's role ours writes no Events. That keeps nobody from metrics.
    scraping.watch_failed(
        "events",
        Forbidden("POST", denied.replace("list", "create").replace("nodes", "events"), code=403),
    )
    scraping.selects_nothing("pool=none")
    assert "No node matches --node-selector" in lines[-1]
    assert "pool=none" in lines[-1]
    whole = "".join(lines)
    assert [(each.node, each.text) for each in scrape_failures(whole, "p")] == [("w1", said)]
    assert [each.what for each in denials(whole, "p")] == ["list nodes"]


@pytest.mark.parametrize("form", list(LogFormat))
def test_what_a_kubelet_says_of_itself_is_no_refusal_of_the_api_server(form: LogFormat) -> None:
    """Its status, the names on its page: with them it would tell doctor that metrics-server lacks rights."""
    scraping, lines = scrape_log(form, verbosity=4)
    words = 'User "system:serviceaccount:a;b" cannot get resource "nodes/metrics" in API group ""'
    said = f'request failed, status: "403 {words}"'
    failed = ScrapeFailure("http-403", said)
    for ready in (True, False):
        scraping.scraped(msgspec.structs.replace(W1, ready=ready), 0.1, failed)
    scraping.duplicate(W1, (("ns", words),))
    scraping.incomplete(W1, node_itself=False, pods=((words, "p"),))
    scraping.doubted(W1, said)
    assert len(lines) == 5
    assert denials("".join(lines), "p") == ()


RUN = {
    ("registry.k8s.io/metrics-server/metrics-server:v0.9.0", (), ("--cert-dir=/tmp",)): False,
    ("mirror.example.com/kubevouch/metrics-server:v0.9.0", (), ("--cert-dir=/tmp",)): False,
    ("registry.example.com:5000/metrics-server", ("/metrics-server",), ()): False,
    ("registry.example.com:5000/kubevouch:0.1", (), ("--cert-dir=/tmp",)): True,
    ("registry.example.com/kubevouch@sha256:4f4f", (), ("--cert-dir=/tmp",)): True,
    ("python:3.13", ("/usr/bin/kubevouch", "metrics-server", "run"), ()): True,
    ("registry.example.com/anything", (), ("metrics-server", "run", "-v=2")): True,
}


@pytest.mark.parametrize(("image", "command", "arguments"), RUN)
def test_which_program_a_container_runs(
    image: str, command: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    container = Container(image=image, command=command, args=arguments)
    assert runs_ours(container) is RUN[image, command, arguments]


@given(
    error=st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])),
    before=st.text(),
    after=st.text(),
)
@example(error='a "quoted\\" \t\x1b[31mred', before="", after="")
def test_what_klog_has_quoted_is_read_back(error: str, before: str, after: str) -> None:
    # A quotation mark left open before the line is no log of klog's.
    log = "\n".join((before.replace('"', ""), line(error, "worker-1"), after))
    found = {each.node: each.text for each in scrape_failures(log, "p")}
    if "Failed to scrape" not in after:
        assert found == {"worker-1": error}


@given(st.text() | st.lists(st.sampled_from(
    ['"Failed to scrape node', '"', " err=", ' err="', ' node="', "\\", "x\\ud800", "\\U00110000", "\n", "node"]
)).map("".join))  # fmt: skip
def test_any_text_is_a_log(text: str) -> None:
    found = scrape_failures(text, "p")
    assert [each.node for each in found] == sorted({each.node for each in found})
    for each in found:
        each.text.encode()  # it can be shown, and sent as JSON


# Go's words for each, from Go's own sources; the prefix is net/http's.
TEXTS: dict[str, str | None] = {
    "x509: certificate has expired or is not yet valid: current time 2026-11-24T23:00:45Z is after 2026-09-30T21:58:44Z": "KV304",
    "x509: certificate has expired or is not yet valid: current time 2026-11-24T23:00:45Z is before 2026-12-30T21:58:44Z": "KV306",
    "x509: cannot validate certificate for 10.0.0.5 because it doesn't contain any IP SANs": "KV302",
    "x509: certificate is valid for 10.0.0.6, not 10.0.0.5": "KV303",
    "x509: certificate is not valid for any names, but wanted to match worker-1": "KV303",
    "x509: certificate relies on legacy Common Name field, use SANs instead": "KV303",
    'x509: certificate signed by unknown authority (possibly because of "crypto/rsa: verification error" '
    'while trying to verify candidate authority certificate "kubernetes")': "KV308",
    "x509: certificate signed by unknown authority": "KV311",
    "remote error: tls: internal error": "KV307",
    "dial tcp 10.0.0.5:10250: connect: connection refused": "KV201",
    "dial tcp 10.0.0.5:10250: i/o timeout": "KV201",
    "dial tcp: lookup worker-1 on 10.96.0.10:53: no such host": "KV201",
    "context deadline exceeded": "KV201",
    "request failed, status: \"403 Forbidden\"": None,
    "": None,
}  # fmt: skip


@pytest.mark.parametrize(("text", "code"), TEXTS.items())
def test_gos_words_have_their_codes(text: str, code: str | None) -> None:
    whole = (
        f'Get "https://10.0.0.5:10250/metrics/resource": tls: failed to verify certificate: {text}'
    )
    assert code_in_log(whole) == code
