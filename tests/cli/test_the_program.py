"""The program as such: help, exit codes, where words go, what it costs to start, how it ends early."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kubevouch.diagnose.catalogue import CATALOGUE
from tests.cli.program import Program
from tests.support.scripted import faults
from tests.support.stage import Stage


async def test_help_lists_the_verbs_by_what_they_are_for(started: Program) -> None:
    ran = await started("-h")
    lines = re.findall(r"^(\w.*):$|^  ([\w-]+)  +\S", ran.out.partition("Look")[2], re.MULTILINE)
    assert " ".join(map("".join, lines)) == (
        "doctor explain verify certs probe top Change plan apply status resume undo CSRs csr "
        "Servers approver exporter metrics-server More lab completion"
    )


BY_POD = ("plan", "-o", "p", "--via", "pod")
NO_COMMAND_LINES = {
    (): "Usage: kubevouch [OPTIONS] COMMAND [ARGS]...\n\n  From",
    ("docter",): "docter: no such verb; did you mean doctor?",
    ("zzz",): "zzz: no such verb; expected one of doctor, explain",
    ("labb",): "labb: no such verb; did you mean lab?",
    ("csr", "lst"): "csr lst: no such verb; did you mean list?",
    ("doctor", "--quux"): "--quux: no such option; `kubevouch doctor --help` lists all options",
    ("doctor", "--fail-no", "x"): "--fail-no: no such option; did you mean --fail-on?",
    ("--contxt", "x", "doctor"): "Error: --contxt: no such option; did you mean --context",
    ("--context", "x", "explain"): "Error: explain --context: no such option; `",
    ("--kubeconfig", "x"): "Usage: kubevouch",
    ("--kubeconfig", "x", "--", "doctor"): "Error: --kubeconfig: no such verb",
    ("verify", "--wait", "2 x"): "verify --wait: expected a duration such as 90s, 2m or 1h30m, got",
    ("verify", "--wait", "-5"): "expected a duration",
    ("apply",): "Error: apply: expected FILE, got nothing\n",
    ("csr", "deny", "csr-1"): "Error: csr deny --reason: expected TEXT, got nothing\n",
    ("explain", "KV304", "KV305"): "Error: explain: expected no more arguments, got KV305\n",
    ("doctor", "--fail-on"): "Error: --fail-on: expected a value, got none\n",
    ("doctor", "--yes=no"): "--yes: no such option",
    ("completion", "csh"): "completion: expected 'bash', 'zsh', 'fish', got 'csh'\n",
    ("csr", "approve"): "csr approve: expected names of CSRs or --all, got neither",
    ("csr", "approve", "csr-1", "--all"): "names of CSRs or --all, got both",
    ("csr", "approve", "--all", "--against-approver"): "expected names of CSRs, got --all",
    **{
        ("csr", "approve", *names, "--credential", named): "--credential"
        for *names, named in (("csr-1", "csr-2", "ab" * 32), ("--all", "ab" * 32), ("csr-1", "abc"))
    },
    **{
        ("csr", "deny", "csr-1", "--reason", reason): "expected one line of at most 512"
        for reason in ("", "  ", "two\nlines", "x" * 513, "\x1b[2J")
    },
    **{
        ("approver", "pin", "--restore", "pins.json", *more): "expected FILE without other"
        for more in (("w-1",), ("--diff",), ("--remove",), ("--allow", "a=b"), ("--via", "ssh"))
    },
    **{
        ("certs", "--root", "/", *more): f"--root reads only disks, but {more[0]} needs a cluster"
        for more in (("--via", "ssh"), ("--context", "x"), ("--kubeconfig", "x"))
    },
    BY_POD: "--image: is missing, and this version has no public image; expected NAME@sha256",
    (*BY_POD, "--image", "x:1"): "--image x:1: is not an image with a digest",
    ("plan", "-o", "p", "--image", "x"): "--image and --pod-namespace require --via pod",
    ("explain", "KV3O4"): "unknown code; did you mean KV304?",
    ("explain", "quux"): "unknown code; `kubevouch explain` lists all codes",
    ("csr", "list", "--allow", "w1"): "--allow: expected NODE=VALUE, such as worker-1=",
}


FORGED = "x\nRun 1234: 4 of 4 nodes done.\nNEXT kubevouch undo other"


async def test_what_others_wrote_is_no_line_of_ours(kubevouch: Program, stage: Stage) -> None:
    """An error's text may hold what a node, a plan or a kubeconfig says: its line breaks are shown, not printed."""
    (kubevouch.home / "forged").write_text(
        f"apiVersion: v1\nkind: Config\ncurrent-context: {json.dumps(FORGED)}\n"
    )
    for words, ours in (
        (("undo", FORGED), ["NEXT     kubevouch status"]),
        (("explain", FORGED), []),
        (("doctor", "--kubeconfig", str(kubevouch.home / "forged")), []),
    ):
        ran = await kubevouch(*words)
        assert ran.code != 0
        assert "4 of 4 nodes done" in ran.err
        assert [line for line in ran.err.splitlines() if line.startswith(("Run ", "NEXT"))] == ours


async def test_a_wrong_command_line_is_2_and_says_why(kubevouch: Program, stage: Stage) -> None:
    await kubevouch.refuses(NO_COMMAND_LINES)
    assert stage.server.requests == []


async def test_bytes_that_are_no_text_are_refused(kubevouch: Program) -> None:
    ran = await kubevouch.in_shell(r"kubevouch probe $'\xff\x1b[31m'", code=2)
    assert ran.err == "Error: the command line: is not UTF-8\n"


async def test_explain_needs_no_cluster_and_no_home(kubevouch: Program) -> None:
    nothing = {"HOME": "", "KUBECONFIG": "/nowhere"}
    lines = [(), ("kv304",), ("-o", "json"), ("KV304", "-o", "json")]
    listed, one, all_json, one_json = await kubevouch.several(
        *(("explain", *words) for words in lines), environments=[nothing] * len(lines)
    )
    assert [each.code for each in (listed, one, all_json, one_json)] == [0, 0, 0, 0]
    assert re.findall(r"^(KV\d+)", listed.out, re.MULTILINE) == list(CATALOGUE)
    assert one.out.startswith("KV304  Expired  (critical)\n\nYou see  ")
    for heading in ("Why", "Do", "Related"):
        assert f"\n{heading}  " in one.out
    told = json.loads(all_json.out)
    assert told["schemaVersion"] == "kubevouch.codes/1"
    assert [each["code"] for each in told["codes"]] == list(CATALOGUE)
    assert [each["name"] for each in json.loads(one_json.out)["codes"]] == ["Expired"]


READING = {
    ("doctor",): (1, "kubevouch.findings/1"),
    ("verify",): (1, "kubevouch.findings/1"),
    ("probe", "k8s-worker-1.internal.example.com"): (1, "kubevouch.probe/1"),
    ("csr", "list"): (0, "kubevouch.csrs/1"),
}


async def test_the_result_goes_to_stdout_and_json_is_json(kubevouch: Program, stage: Stage) -> None:
    lines = [(*words, *form) for words in READING for form in ((), ("-o", "json"))]
    answers = iter(await kubevouch.several(*lines))
    for words, (code, schema) in READING.items():
        table, document = next(answers), next(answers)
        assert (table.code, document.code) == (code, code), words
        told = json.loads(document.out)
        assert (told["schemaVersion"], "kubevouch" in told) == (schema, True)
        assert document.out.count("\n") == 1
        # Nobody watches a pipe: no progress there.
        assert document.err == ""
        assert table.err == ("" if words != ("csr", "list") else NO_CSR)
        assert "\x1b" not in table.out + table.err


@pytest.mark.parametrize("case", ["healthy"])
async def test_options_before_the_verb_are_the_verbs(kubevouch: Program, stage: Stage) -> None:
    config = kubevouch.environment.pop("KUBECONFIG")
    for line in (
        "-o json -v --kubeconfig {} csr list",
        "--kubeconfig={} -ojson csr --verbose list",
    ):
        ran = await kubevouch(*line.format(config).split(), code=0)
        assert json.loads(ran.out)["schemaVersion"] == "kubevouch.csrs/1"
        assert "GET " in ran.err


NO_CSR = "no CSR for the signer kubernetes.io/kubelet-serving\n"


@pytest.mark.parametrize("case", ["healthy"])
async def test_fail_on_moves_the_threshold_in_every_form(kubevouch: Program, stage: Stage) -> None:
    codes = {"critical": 0, "error": 0, "warning": 1, "info": 1}
    forms = ("table", "short", "json")
    lines = [("doctor", "-o", form, "--fail-on", each) for form in forms for each in codes]
    answers = await kubevouch.several(*lines)
    assert [ran.code for ran in answers] == [*codes.values()] * len(forms)
    assert [each["code"] for each in json.loads(answers[-1].out)["findings"]] == ["KV411"]


async def test_colour_on_a_terminal_and_never_against_the_operators_will(
    kubevouch: Program, stage: Stage
) -> None:
    environments = [{}, {"TERM": "dumb"}, {"NO_COLOR": "1"}]
    shown, *plain = await asyncio.gather(
        *(kubevouch.at_a_terminal("doctor", environment=each) for each in environments)
    )
    assert "\x1b[31;1mCAUSE\x1b[0m" in shown.out, shown
    for each in plain:
        assert not re.search(r"\x1b\[[\d;]+m", each.out)
        assert "CAUSE" in each.out


async def test_a_reader_that_leaves_changes_no_exit_code(kubevouch: Program, stage: Stage) -> None:
    """`true` reads nothing and has gone before the first line."""
    ran = await kubevouch.in_shell(
        "kubevouch doctor | true; echo ${PIPESTATUS[0]}; kubevouch doctor -o json | head -c 10 >/dev/null; "
        "echo ${PIPESTATUS[0]}; kubevouch --help | true; echo ${PIPESTATUS[0]}"
    )
    assert (ran.out, ran.err) == ("1\n1\n0\n", ""), ran


STREAMS = {
    "kubevouch explain >/dev/full": (3, "Error: standard output: No space left on device\n"),
    "kubevouch --help >/dev/full": (3, "Error: standard output: No space left on device\n"),
    "kubevouch explain >&-": (0, ""),
    "kubevouch explain KV999 >&- 2>&- <&-": (2, ""),
    "kubevouch doctor 2>&-": (1, ""),
}


async def test_streams_that_cannot_be_written_to(kubevouch: Program, stage: Stage) -> None:
    answers = await asyncio.gather(*(kubevouch.in_shell(line) for line in STREAMS))
    for (line, expected), ran in zip(STREAMS.items(), answers, strict=True):
        assert (ran.code, ran.err) == expected, line


async def test_a_terminal_that_knows_ascii_only_gets_escapes(started: Program) -> None:
    ran = await started("explain", "Ü", environment={"PYTHONIOENCODING": "ascii"}, code=2)
    assert ran.err.startswith("Error: explain \\xdc: unknown code")


@pytest.mark.parametrize("verb", ["doctor", "verify"])
async def test_ctrl_c_is_130(started: Program, stage: Stage, verb: str) -> None:
    stage.server.faults.on("/*", faults.silence())
    ran = await started.interrupted(verb, once=lambda: bool(stage.server.requests))
    assert (ran.code, ran.out, ran.err) == (130, "", "\nError: interrupted\n"), ran


def test_ctrl_c_while_the_program_is_still_being_loaded_is_130_and_no_traceback() -> None:
    """As on a machine that is busy, where that takes a second."""
    code = (
        "import sys\nfrom kubevouch.cli import main\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'kubevouch.cli.common.terminal': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupting())\nmain()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (130, "\nError: interrupted\n"), ran


def loaded_by(code: str) -> set[str]:
    """The modules that are there when this has run."""
    whole = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", whole], check=True, capture_output=True, text=True)
    return set(ran.stderr.split())


def run(*words: str) -> str:
    return (
        f"from kubevouch.cli.app import run; run({words!r}, program='kubevouch', environment={{}})"
    )


HEAVY = {"aiohttp", "asyncio", "cryptography", "msgspec", "rich", "ssl", "subprocess", "yaml"}


@pytest.mark.parametrize("module", ["kubevouch.cli", "kubevouch.cli.app"])
def test_starting_costs_click_and_little_more(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    assert not loaded & HEAVY
    assert {each for each in loaded if each.startswith("kubevouch.")} <= {
        "kubevouch.cli",
        "kubevouch.cli.app",
        "kubevouch.cli.common",
        "kubevouch.cli.common.group",
        "kubevouch.cli.common.signals",
        "kubevouch.cli.common.terminal",
        "kubevouch.errors",
    }


@pytest.mark.parametrize("verb", ["", "doctor", "plan", "csr", "lab"])
def test_help_loads_nothing_of_what_the_verbs_need(verb: str) -> None:
    assert not loaded_by(run(*verb.split(), "--help")) & HEAVY


def test_our_own_verbs_read_no_metadata_of_distributions() -> None:
    assert "importlib.metadata" not in loaded_by(run("explain", "KV304"))


def test_kubectl_finds_it_as_a_plugin(tmp_path: Path) -> None:
    plugin = tmp_path / "kubectl-vouch"
    plugin.write_text(f"#!{sys.executable}\nfrom kubevouch.cli import main\nmain()\n")
    plugin.chmod(0o755)
    ran = subprocess.run([plugin, "doctor", "--help"], check=True, capture_output=True, text=True)
    assert ran.stdout.startswith("Usage: kubectl vouch doctor [OPTIONS]")
