"""What an operator, a cluster or a stranger may hand it: a clear line, the right exit code, no trace, no hang."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from kubevouch.system_clock import SystemClock
from kubevouch_lab.apiserver import status
from tests.cli.program import Program
from tests.diagnose.cases import CASES
from tests.support.authority import Authority
from tests.support.bombs import ALIASES
from tests.support.contexts import server_context
from tests.support.kubeconfigs import write_kubeconfig
from tests.support.scripted import faults, kubelet, reviews
from tests.support.scripted.apiserver import ScriptedApiServer
from tests.support.scripted.kinds import KINDS
from tests.support.scripted.nobody import closed_port
from tests.support.stage import Stage, cluster_ca, staged

API_SERVICES = KINDS["apiregistration.k8s.io", "v1", "apiservices"]
READING = [("doctor",), ("verify",), ("csr", "list"), ("csr", "explain", "csr-1")]

KUBECONFIGS: dict[str, tuple[bytes | None, str]] = {
    "empty": (b"", "no cluster"),
    "a folder": (None, "kubeconfig"),
    "a bomb of anchors": (ALIASES.encode() + b"clusters: *i\n", "kubeconfig"),
    "a key": (b"-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n", "kubeconfig"),
    "no such context": (b"current-context: gone\ncontexts: []\nclusters: []\n", "gone"),
}


async def test_a_kubeconfig_that_is_not_valid(kubevouch: Program) -> None:
    environments = []
    for name, (content, _) in KUBECONFIGS.items():
        path = kubevouch.home / name
        path.mkdir() if content is None else path.write_bytes(content)
        environments.append({"KUBECONFIG": str(path)})
    lines = [("doctor",)] * len(KUBECONFIGS)
    answers = await kubevouch.several(*lines, environments=environments)
    for (name, (_, told)), ran in zip(KUBECONFIGS.items(), answers, strict=True):
        assert (ran.code, ran.out) == (2, ""), (name, ran)
        [line] = ran.err.splitlines()
        assert line.startswith("Error: ")
        assert told in line, name
        assert "SECRET" not in line


async def test_no_kubeconfig_at_all(kubevouch: Program) -> None:
    ran = await kubevouch("doctor", code=2)
    path = kubevouch.home / ".kube" / "config"
    right = "set --kubeconfig or $KUBECONFIG"
    assert ran.err == f"Error: {path}: no such file; {right}\n"


@contextlib.contextmanager
def deaf_server() -> Iterator[str]:
    """Accepts connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)
        kept: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    kept.append(listening.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        for each in kept:
            each.close()


def leading_to(server: str, folder: Path, roots: bytes | None = None) -> dict[str, str]:
    """The environment with a kubeconfig for that server."""
    path = folder / f"kubeconfig-{len(list(folder.iterdir()))}"
    return {"KUBECONFIG": str(write_kubeconfig(path, server, roots))}


async def test_a_dead_api_server(kubevouch: Program) -> None:
    with closed_port() as port:
        nobody = leading_to(f"https://127.0.0.1:{port}", kubevouch.home)
        for ran in await kubevouch.several(*READING, environments=[nobody] * len(READING)):
            assert (ran.code, ran.out) == (3, ""), ran
            assert ran.err.startswith(f"Error: https://127.0.0.1:{port}: connection refused; ")
            assert ran.err.count("\n") == 1


async def test_whoever_never_answers_is_given_up(kubevouch: Program) -> None:
    """An API server that accepts connections and says nothing; a kubelet that does so. All at once: they take time."""
    async with staged(CASES["kubelet-never-answers"], SystemClock()) as stage:
        lead = {"KUBECONFIG": str(stage.kubeconfig(kubevouch.home))}
        silent = stage.kubelets["k8s-worker-3"]
        target = f"{silent.host}:{silent.port}"
        with deaf_server() as server:
            deaf, doctor, verify, probe = await asyncio.gather(
                kubevouch("doctor", environment=leading_to(server, kubevouch.home)),
                kubevouch("doctor", "--timeout", "5s", environment=lead),
                kubevouch("verify", "--timeout", "5s", environment=lead),
                kubevouch("probe", target, "--timeout", "1s", environment=lead),
            )
    assert (deaf.code, deaf.out) == (3, ""), deaf
    assert deaf.err.startswith(f"Error: {server}: no connection within 10 seconds"), deaf
    for ran in (doctor, verify):
        assert ran.code == 1, ran
        assert "KV202  1 kubelet accepts connections and does not finish" in ran.out
    assert probe.code == 1
    assert probe.out.endswith(
        "FAILED\n  metrics-server would log  net/http: TLS handshake timeout\n"
    )


async def test_an_api_server_that_is_not_valid(kubevouch: Program) -> None:
    clock, authority = SystemClock(), Authority()
    ended = clock.now() - timedelta(days=1)
    old = authority.serving("127.0.0.1", not_before=ended - timedelta(days=365), not_after=ended)
    pair = authority.serving("127.0.0.1")
    async with (
        ScriptedApiServer(None, clock) as plain,
        ScriptedApiServer(server_context(pair), clock) as page,
        ScriptedApiServer(server_context(old), clock) as expired,
    ):
        page.faults.on("/*", faults.html(200))
        https = plain.url.replace("http:", "https:")
        peers = {
            "plain HTTP": (https, None),
            "answers with something other than JSON (text/html": (page.url, authority.pem),
            "signed by the kubeconfig's certificate-authority": (page.url, Authority().pem),
            "certificate has expired": (expired.url, authority.pem),
        }
        lines = [(told, words) for told in peers for words in READING]
        environments = {
            told: leading_to(url, kubevouch.home, roots) for told, (url, roots) in peers.items()
        }
        answers = await kubevouch.several(
            *(words for _, words in lines), environments=[environments[told] for told, _ in lines]
        )
    for (told, words), ran in zip(lines, answers, strict=True):
        assert (ran.code, ran.out) == (3, ""), (words, ran)
        assert told in ran.err, (words, ran)
        assert ran.err.count("\n") == 1


async def test_a_credential_that_is_not_known(kubevouch: Program, stage: Stage) -> None:
    stage.server.tokens = {}
    for ran in await kubevouch.several(*READING):
        assert (ran.code, ran.out) == (3, ""), ran
        assert "this context's credential is missing, expired" in ran.err
        assert ran.err.count("\n") == 1


async def test_403_on_everything_names_each_verb_that_lacks(
    kubevouch: Program, stage: Stage
) -> None:
    stage.server.authorize = reviews.nothing
    ran, verify, listed, explained = await kubevouch.several(*READING)
    assert (ran.code, ran.err) == (3, ""), ran
    assert "KV901 not allowed to get apiservices.apiregistration.k8s.io, get configmaps" in ran.told
    assert "list nodes, list nodes.metrics.k8s.io, list pods" in ran.told
    assert "NEXT kubevouch doctor --print-role" in ran.told
    assert "  ok  " not in ran.out
    assert verify.code == 3
    assert listed.code == 3
    assert "cannot list certificatesigningrequests" in listed.err
    assert explained.code == 3
    assert 'a Role must allow "get"' in explained.err


async def test_where_rights_are_lacking_the_roles_of_the_verb_come_next(
    kubevouch: Program, stage: Stage
) -> None:
    stage.server.authorize = reviews.nothing
    reads, writes = "kubevouch doctor --print-role", "kubevouch apply --print-role"
    whose = {
        ("csr", "list"): reads,
        ("csr", "explain", "csr-1"): reads,
        ("csr", "approve", "--all"): writes,
        ("csr", "deny", "csr-1", "--reason", "no"): writes,
        ("top", "nodes"): reads,
        ("status",): reads,
        ("plan", "-o", "plan.json"): reads,
        ("approver", "pin"): "kubevouch approver pin --print-role",
        ("approver", "remove"): "kubevouch approver install --print-role",
        ("metrics-server", "remove"): "kubevouch metrics-server install --print-role",
    }
    for ran, roles in zip(await kubevouch.several(*whose), whose.values(), strict=True):
        assert ran.code == 3, ran
        assert f"NEXT     {roles}\n" in ran.err, ran


async def test_a_plan_that_cannot_be_written_is_refused(kubevouch: Program, stage: Stage) -> None:
    for path, why in (("nowhere/plan.json", "No such file"), (".", "Is a directory")):
        ran = await kubevouch("plan", "-o", path, code=2)
        assert f"cannot be written: {why}" in ran.err
    assert not stage.server.requests


KEY = "-----BEGIN EC PRIVATE KEY-----\nU0VDUkVUU0VDUkVU\n-----END EC PRIVATE KEY-----\n"
FILES: dict[str, tuple[bytes, str]] = {
    "half a certificate": (cluster_ca().pem[:200], "has no END line: the file is truncated"),
    "a key": (
        cluster_ca().serving("x").key,
        "contains no certificate; expected a CERTIFICATE block",
    ),
    "a broken key": (KEY.encode(), "not a private key"),
    "empty": (b"", "contains no PEM block"),
    "binary": (bytes(range(256)) * 10, ""),
    "too large": (b"x" * (1024 * 1024 + 1), "is larger than 1048576 bytes"),
    "with \x1b[31m in its name": (b"no certificate", ""),
}


async def test_probing_a_file_that_is_no_certificate(kubevouch: Program) -> None:
    for name, (content, _) in FILES.items():
        (kubevouch.home / name).write_bytes(content)
    ran_of = await kubevouch.refuses({("probe", name): why for name, (_, why) in FILES.items()})
    for name, ran in zip(FILES, ran_of, strict=True):
        assert ran.err.startswith("Error: " + name.replace("\x1b", "\\x1b")), ran
        assert "U0VDUkVU" not in ran.err
        assert ran.err.count("\n") == 1


async def test_probing_a_file_beside_a_key_and_without_any_cluster(kubevouch: Program) -> None:
    pair = cluster_ca().serving("worker-1", node="worker-1")
    (kubevouch.home / "both.pem").write_bytes(pair.chain + pair.key)
    (kubevouch.home / "ca.crt").write_bytes(cluster_ca().pem)
    judged = ("probe", "both.pem", "--ca", "ca.crt", "--name")
    alone, trusted, other = answers = await kubevouch.several(
        ("probe", "both.pem"), (*judged, "worker-1"), (*judged, "worker-2", "-o", "json")
    )
    assert [ran.code for ran in answers] == [3, 0, 1]
    assert "kind         kubelet-serving" in alone.out
    assert "\nNO VERDICT\n" in alone.out
    assert trusted.out.endswith("TRUSTED\n  name: worker-1\n")
    verdict = json.loads(other.out)["verdict"]
    told = "x509: certificate is valid for worker-1, not worker-2"
    assert verdict["metricsServerLogs"].endswith(told)
    for ran in answers:
        assert "PRIVATE" not in ran.out + ran.err


NOTHING: dict[tuple[str, ...], str] = {
    ("127.0.0.1:1", "--kubeconfig", "/nowhere"): "/nowhere",
    ("nowhere/file.pem",): "no such file",
    ("/",): "is a folder",
    ("host:port",): "is not a file, a Node or HOST[:PORT]",
    ("host:99999",): "is not a file, a Node or HOST[:PORT]",
    ("",): "is not a file, a Node or HOST[:PORT]",
}


async def test_probing_nothing(kubevouch: Program) -> None:
    await kubevouch.refuses({("probe", *words): told for words, told in NOTHING.items()})


WAYS = {
    "plain HTTP": (kubelet.PLAIN_HTTP, "http: server gave HTTP response to HTTPS client"),
    "no certificate": (kubelet.NO_CERTIFICATE, "remote error: tls: internal error"),
    "hangs up": (kubelet.HANG_UP, "EOF"),
}


async def test_probing_a_port_that_comes_to_no_handshake(kubevouch: Program) -> None:
    async with contextlib.AsyncExitStack() as stack:
        ports = [
            await stack.enter_async_context(kubelet.ScriptedKubelet(behaviour, SystemClock()))
            for behaviour, _ in WAYS.values()
        ]
        lines = [("probe", f"127.0.0.1:{port.port}") for port in ports]
        answers = await kubevouch.several(*lines)
    for (name, (_, told)), ran in zip(WAYS.items(), answers, strict=True):
        assert ran.code == 1, (name, ran)
        assert ran.out.endswith(f"FAILED\n  metrics-server would log  {told}\n"), ran


async def test_four_verbs_judge_by_one_rule_whose_a_certificate_is(kubevouch: Program) -> None:
    """worker-1 is signed as k3s signs; worker-2 has its name in the CN only, and whoever asks hears of it."""
    async with staged(CASES["cn-is-the-nodes-plain-name"], SystemClock()) as stage:
        kubevouch.environment["KUBECONFIG"] = str(stage.kubeconfig(kubevouch.home))
        words = (
            ("doctor", "-o", "json"),
            ("verify", "-o", "json"),
            ("certs", "-o", "json"),
            ("probe", "k8s-worker-1.internal.example.com", "-o", "json"),
            ("probe", "k8s-worker-2.internal.example.com", "-o", "json"),
            ("probe", "k8s-worker-2.internal.example.com"),
        )
        doctor, verify, certs, good, bad, shown = await kubevouch.several(*words)
    for ran in (doctor, verify):
        [found] = [each for each in json.loads(ran.out)["findings"] if each["code"] == "KV309"]
        assert found["subjects"] == ["k8s-worker-2.internal.example.com"]
    seen = (
        "the certificate names node k8s-worker-2.internal.example.com in its CN, but in no DNS name"
    )
    rows = {each["node"]: each for each in json.loads(certs.out)["certificates"]}
    assert rows["k8s-worker-1.internal.example.com"]["remarks"] == []
    row = rows["k8s-worker-2.internal.example.com"]
    assert (row["state"], row["remarks"]) == ("wrong", [seen])
    assert (good.code, json.loads(good.out)["misnamed"]) == (0, None)
    assert (bad.code, json.loads(bad.out)["misnamed"]) == (1, seen)
    assert shown.out.endswith(f"WRONG IDENTITY\n  {seen}\n")


async def test_control_characters_never_reach_the_terminal(kubevouch: Program) -> None:
    """What certificates, nodes, requests and API servers say may be meant for the operator's screen."""
    evil = "\x1b]0;owned\x07\x1b[2J\r\nCAUSE  all is well\u202e\x85\xad\x7f"
    clock = SystemClock()
    async with staged(CASES["expired"], clock) as stage:
        kubevouch.environment["KUBECONFIG"] = str(stage.kubeconfig(kubevouch.home))
        pair = Authority().serving("127.0.88.112", node=evil)
        stage.kubelets["k8s-worker-1"].behaviour = kubelet.Serve(server_context(pair))
        service = stage.server.store.get(API_SERVICES, "v1beta1.metrics.k8s.io")
        condition = {"type": "Available", "status": "False", "reason": evil, "message": evil}
        service["status"] = {"conditions": [condition]}
        stage.server.store.put(API_SERVICES, service)
        stage.server.version["gitVersion"] = evil
        stage.server.faults.on(
            "/api/v1/namespaces/kube-system/configmaps/kubelet-config",
            faults.refuse(status.forbidden("", "configmaps", evil, evil)),
        )
        ran, probed, document = await kubevouch.several(
            ("doctor",), ("probe", "k8s-worker-1.internal.example.com"), ("doctor", "-o", "json")
        )
    assert "owned" in ran.out
    assert "owned" in probed.out
    for each in (ran, probed, document):
        for character in "\x1b\x07\r\u202e\x85\xad\x7f":
            assert character not in each.out + each.err, each
        assert "\nCAUSE  all is well" not in each.out
    assert json.loads(document.out)["cluster"]["version"] == evil
