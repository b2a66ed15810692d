"""Flags: every one that metrics-server's --help lists, and command lines as its own program has read them.

The help and the answers are its own, recorded by real/oracle/flags_corpus.py.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from kubevouch.cli.metrics_server.command import run
from kubevouch.cli.metrics_server.flags import GIVEN, SWITCHES, WITH_VALUES
from kubevouch.cli.metrics_server.settings import check_node_selector
from kubevouch.errors import UsageError
from kubevouch.metrics.serving.objects import go_duration
from kubevouch.serve.shared_authority import AuthorityPlace
from real.oracle.flags_corpus import questions
from tests.metrics_server.command_line import context_of, settings
from tests.support.rows import of_each

ROOT = Path(__file__).parents[2]
RECORDED = Path(__file__).parent / "recorded"
HELP = (RECORDED / "help.txt").read_text(encoding="utf-8")
LINES = (RECORDED / "command-lines.jsonl").read_text(encoding="utf-8").splitlines()

FLAGS = {
    found[2]: found[3] or "bool"
    for found in re.finditer(r"^ +(-\w, )?--([\w-]+)(?: ([^ ]+))?(?:  |$)", HELP, re.MULTILINE)
}
VALUES = {
    "string": "text",
    "strings": "a,b",
    "duration": "12s",
    "int": "7",
    "int32Slice": "29,23",
    "float": "0.01",
    "float32": "2.5",
    "ip": "127.0.0.1",
    "quantity": "64Ki",
    "Level": "4",
    "namedCertKey": "a.crt,a.key:*.example",
    "pattern=N,...": "listener=4",
    "colonSeparatedMultimapStringString": "kube:AllAlpha=false",
}
OF_THEIR_OWN = {"logging-format": "json", "tls-min-version": "VersionTLS13"}
"""Flags whose values are words."""


def test_the_answers_are_those_to_the_questions_of_today() -> None:
    assert [json.loads(line)["words"] for line in LINES] == questions()


def test_the_help_has_been_read() -> None:
    assert len(FLAGS) == HELP.count("\n      --") + HELP.count("\n  -")
    assert FLAGS["v"] == "Level"
    assert FLAGS["kubelet-insecure-tls"] == "bool"
    assert set(FLAGS.values()) == {*VALUES, "bool"}


@of_each(FLAGS)
def test_every_flag_of_metrics_server_is_taken_in_every_form(name: str) -> None:
    kind = FLAGS[name]
    if kind == "bool":
        forms = [[f"--{name}"], [f"--{name}=true"], [f"--{name}=false"]]
    else:
        value = OF_THEIR_OWN.get(name, VALUES[kind])
        forms = [[f"--{name}={value}"], [f"--{name}", value]]
    for words in forms:
        with context_of(*words, "word") as context:
            assert context.params["words"] == ("word",)


@of_each(
    [
        name
        for name, kind in FLAGS.items()
        if kind in {"int", "float", "duration", "bool"} and name not in WITH_VALUES
    ],
)
def test_what_is_no_value_is_refused(name: str) -> None:
    with pytest.raises(click.UsageError):
        context_of(f"--{name}=soon")


def shown(value: object) -> str:
    """A value as pflag shows it."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return go_duration(round(value * 1e9))
        case tuple():
            texts = [f'"{each}"' if "," in each else each for each in value]
            return f"[{','.join(texts)}]"
        case _:
            return str(value)


def given(context: click.Context, names: Mapping[str, str]) -> dict[str, str]:
    """The values of these flags."""
    by_name = {name: each for each in run.params for name in each.opts}
    options = {name: by_name[f"--{name}"].name or "" for name in names}
    return {name: shown(context.params[option]) for name, option in options.items()}


LAXER = {
    ("--bind-address=[::1]",),
    ("--bind-address=localhost",),
    ("--kubelet-insecure-tls=yes",),
    ("--kubelet-insecure-tls=",),
    ("--metric-resolution=15",),
}
"""Command lines that we take and metrics-server does not."""
STRICTER = {
    ("--tls-sni-cert-key=,",),
    ("--secure-port=0x1bb",),
    ("--metric-resolution=.5h",),
    ("--metric-resolution=+20s",),
    ("--metric-resolution=12000000us",),
    ("--metric-resolution=12000000\xb5s",),
    ("--metric-resolution=30000000000ns",),
    ('--kubelet-preferred-address-types="a,b",c',),
    ("--requestheader-allowed-names", '"a,b",c'),
}
"""What metrics-server refuses a little later, when it reads the files; and forms that nobody writes."""


@of_each([each for each in LINES if not any(f'"--{name}' in each for name in WITH_VALUES)])
def test_command_lines_are_read_as_metrics_server_reads_them(line: str) -> None:
    recorded: dict[str, Any] = json.loads(line)
    words, go = recorded["words"], recorded["go"]
    if tuple(words) in LAXER:
        settings(*words)
        return
    if "error" in go or "invalid" in go or tuple(words) in STRICTER:
        with pytest.raises((click.UsageError, UsageError)):
            settings(*words)
        return
    settings(*words)
    with context_of(*words) as context:
        assert list(context.params["words"]) == go.get("words", [])
        expected = {name: value for name, value in go.get("set", {}).items() if "sni" not in name}
        assert given(context, expected) == expected


SNI = {
    "a,b": ("a", "b", ()),
    "a,b:c": ("a", "b", ("c",)),
    "a, b : *.c , d": ("a", "b", ("*.c", "d")),
    "a,b:c:d": ("a", "b", ("c:d",)),
}


@pytest.mark.parametrize("text", SNI)
def test_a_pair_for_names_is_read_as_metrics_server_reads_it(text: str) -> None:
    [found] = settings(f"--tls-sni-cert-key={text}").tls.named
    files = found.source.files
    assert files
    assert (str(files[0]), str(files[1]), found.names) == SNI[text]
    go = f"[{SNI[text][0]},{SNI[text][1]}{':' if SNI[text][2] else ''}{','.join(SNI[text][2])}]"
    line = {"words": [f"--tls-sni-cert-key={text}"], "go": {"set": {"tls-sni-cert-key": go}}}
    assert json.dumps(line) in LINES


def test_an_authority_signs_for_names_in_place_of_a_pair() -> None:
    found = settings("--tls-authority-secret=kube-system/b:a.kube-system.svc,a").tls.authority
    names, both = ("a.kube-system.svc", "a"), ("v1beta1.metrics.k8s.io", "v1.metrics.k8s.io")
    assert found == AuthorityPlace("kube-system", "b", both, names)
    found = settings("--tls-authority-secret=kube-system/b:a:v1").tls.authority
    assert found == AuthorityPlace("kube-system", "b", ("v1.metrics.k8s.io",), ("a",))
    for versions, services in (("", both), (":v1,v1beta1", both), (":v1", both[1:])):
        found = settings(f"--tls-authority-secret=a/b:usage.svc,fd00::1{versions}").tls.authority
        assert found == AuthorityPlace("a", "b", services, ("usage.svc", "fd00::1"))
    assert settings().tls.authority is None
    for words, said in (
        (["--tls-authority-secret=kube-system/b"], "names for the serving certificate"),
        (["--tls-authority-secret=kube-system/b: ,"], "names for the serving certificate"),
        (["--tls-authority-secret=b:a"], "a Secret"),
        (["--tls-authority-secret=a/b:c:v2"], "v1, v1beta1"),
        (["--tls-authority-secret=a/b::v1"], "v1, v1beta1"),
        (["--tls-authority-secret=a/b/c:d"], "a Secret"),
        (
            ["--tls-authority-secret=a/b:c", "--tls-cert-file=a", "--tls-private-key-file=b"],
            "one of them",
        ),
    ):
        with pytest.raises(UsageError, match=said):
            settings(*words)


def test_flags_without_a_meaning_are_noted() -> None:
    with context_of(
        "--audit-log-path=-", "--profiling=false", "--enable-priority-and-fairness"
    ) as context:
        assert context.meta[GIVEN] == ["--audit-log-path", "--enable-priority-and-fairness"]


def test_each_flag_without_a_meaning_is_one_of_metrics_servers_and_is_documented() -> None:
    names = [*SWITCHES, *WITH_VALUES]
    assert set(names) <= set(FLAGS)
    page = (ROOT / "docs" / "reference" / "metrics-server.md").read_text(encoding="utf-8")
    told = page.split("## Flags without an effect here", 1)[1].split("\n## ", 1)[0]
    assert {name for name in names if f"`--{name}`" not in told} == set()


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_address_may_have_a_urls_brackets(host: str) -> None:
    assert settings("--bind-address", host).flags.host == "::1"


SHARES = {"0": 0, "1": 1, "0.9": 0.9, "90%": 0.9, "100%": 1}


@pytest.mark.parametrize("text", SHARES)
def test_a_share_may_be_in_percent(text: str) -> None:
    found = settings(f"--ready-min-nodes={text}").scraping.ready_min_nodes
    assert found == SHARES[text]


@pytest.mark.parametrize("text", ["2", "-1", "101%", "nan", "", "most"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(click.UsageError, match="expected a number from 0 to 1"):
        context_of(f"--ready-min-nodes={text}")


def test_a_header_for_uids_has_to_be_the_aggregators() -> None:
    found = settings("--requestheader-uid-headers=X-Remote-Uid,X-Uid")
    assert found.given.headers.uid == ("X-Remote-Uid", "X-Uid")
    with pytest.raises(UsageError, match="expected X-Remote-Uid"):
        settings("--requestheader-uid-headers=X-Uid")


@pytest.mark.parametrize("selector", ["a=b=c", "a in (b", "a,", "=b"])
def test_a_selector_that_cannot_be_read_is_refused_before_any_watch(
    selector: str,
) -> None:
    with pytest.raises(UsageError) as refused:
        check_node_selector(selector)
    assert str(refused.value).startswith(f"-l, --node-selector: {selector!r}: ")


@pytest.mark.parametrize("selector", ["", "a=b", "a!=b,c", "!a,b in (c,d),e notin (f)", "n>3"])
def test_selectors_as_kubectl_takes_them_pass(selector: str) -> None:
    check_node_selector(selector)


def test_a_pod_serves_on_until_nobody_is_sent_there_unless_something_else_is_said() -> None:
    """A person who ends it with Ctrl-C waits for nobody."""
    unsaid = settings()
    assert (unsaid.delay(in_pod=True), unsaid.delay(in_pod=False)) == (5.0, 0.0)
    for words, seconds in (
        ("--shutdown-delay-duration=0s", 0.0),
        ("--shutdown-delay-duration=9s", 9.0),
    ):
        said = settings(words)
        assert (said.delay(in_pod=True), said.delay(in_pod=False)) == (seconds, seconds)
