"""Every command line that we advise acts on the cluster of the command that advises it, and can be copied into a shell."""

import json
import re
import shlex
from collections.abc import Iterator

import click
import pytest

from kubevouch.cli.app import program
from kubevouch.cli.common.invocation import _TAKES, Invocation
from tests.cli.program import Program
from tests.cli.test_a_run_that_is_not_finished import keeps
from tests.support.command_lines import why_it_cannot_be_typed
from tests.support.stage import Stage

HERE = Invocation(
    "kubevouch",
    (
        ("--kubeconfig", "/home/me/my clusters/prod.yaml"),
        ("--context", "admin@prod"),
        ("--ssh-config", "ssh config"),
        ("--via", "pod"),
        ("--namespace", "kube-system"),
        ("--dir", "/tmp/lab"),
    ),
)
KUBECONFIG = "--kubeconfig '/home/me/my clusters/prod.yaml'"
CLUSTER = f"{KUBECONFIG} --context admin@prod"
NODES = f"{CLUSTER} --ssh-config 'ssh config'"

LINES = {
    "kubevouch doctor": f"kubevouch doctor {CLUSTER}",
    "kubevouch apply plan.json": f"kubevouch apply plan.json {NODES}",
    "kubevouch undo 1234abcd": f"kubevouch undo 1234abcd {NODES}",
    "kubevouch plan -o plan.json --via ssh": f"kubevouch plan -o plan.json --via ssh {NODES}",
    "kubevouch csr explain NAME": f"kubevouch csr explain NAME {CLUSTER}",
    "kubevouch doctor --context other": f"kubevouch doctor --context other {KUBECONFIG}",
    "kubevouch top pods": f"kubevouch top pods {CLUSTER} --namespace kube-system",
    "kubevouch top pods -A": f"kubevouch top pods -A {CLUSTER}",
    "kubevouch explain KV304": "kubevouch explain KV304",
    "kubevouch lab status": "kubevouch lab status --dir /tmp/lab",
    "kubectl -n kube-system get pods": f"kubectl {CLUSTER} -n kube-system get pods",
    "sleep 20 && kubevouch doctor": f"sleep 20 && kubevouch doctor {CLUSTER}",
    "ssh NODE systemctl status kubelet": "ssh -F 'ssh config' NODE systemctl status kubelet",
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_has_the_flags_that_say_where(line: str) -> None:
    assert HERE.line(line) == LINES[line]
    assert Invocation().line(line) == line, "nothing was given: nothing is added"


def test_an_operators_ssh_reads_what_ours_does() -> None:
    """$KUBEVOUCH_SSH_CONFIG is ours alone; what was given wins, as it does for us."""
    line = "ssh NODE timedatectl"
    assert Invocation(ssh_config="/a b").line(line) == "ssh -F '/a b' NODE timedatectl"
    given = Invocation(given=(("--ssh-config", "own"), ("--ssh-user", "ops")), ssh_config="/a b")
    assert given.line(line) == "ssh -F own -l ops NODE timedatectl"


def test_a_shell_reads_back_what_was_given() -> None:
    hostile = 'a\'b; rm -rf $HOME `id` "x"'
    words = shlex.split(Invocation("kubevouch", (("--context", hostile),)).line("kubevouch doctor"))
    assert words == ["kubevouch", "doctor", "--context", hostile]


def _commands(group: click.Group, ctx: click.Context) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        yield name, command


def _flags(command: click.Command, ctx: click.Context) -> list[set[str]]:
    """Of a verb, or of each of its parts."""
    if isinstance(command, click.Group):
        return [each for _, part in _commands(command, ctx) for each in _flags(part, ctx)]
    return [{option for each in command.params for option in each.opts}]


def test_each_verb_takes_the_flags_that_hints_give_it() -> None:
    ctx = click.Context(program)
    where = {"--kubeconfig", "--context", "--namespace", "--dir", "--ssh-config"}
    for name, command in _commands(program, ctx):
        given, taken = set(_TAKES.get(name, ())), _flags(command, ctx)
        assert set.intersection(*taken) & where <= given <= set.union(*taken), name


TIMES = (("--gate-timeout", "300s"), ("--soak", "10.5s"))


@pytest.mark.parametrize(
    ("verb", "line", "more"),
    [
        ("apply", "kubevouch resume abcd", ""),
        ("resume", "kubevouch resume abcd", " --gate-timeout 300s --soak 10.5s"),
        ("apply", "kubevouch apply plan.json", " --gate-timeout 300s --soak 10.5s"),
        ("plan", "kubevouch plan -o plan.json --via ssh", " --gate-timeout 300s --soak 10.5s"),
        ("apply", "kubevouch apply plan.json --soak 1s", " --gate-timeout 300s"),
        ("apply", "kubevouch status abcd", ""),
        ("apply", "kubevouch undo abcd", ""),  # there it is the time of another thing
        ("undo", "kubevouch undo abcd --node a --node b", " --gate-timeout 300s"),
        ("undo", "kubevouch status abcd", ""),
    ],
)
def test_a_line_that_goes_on_has_the_times_said_for_it(verb: str, line: str, more: str) -> None:
    assert Invocation(given=TIMES, verb=verb).line(line) == line + more


async def test_what_was_said_of_times_is_said_again_by_what_comes_next(
    kubevouch: Program, stage: Stage
) -> None:
    """The run and the undo are refused, since the API server is away; nothing that was not said is added."""
    keeps(kubevouch)
    away = kubevouch.away()
    there = ("--kubeconfig", str(away))
    times = ("--gate-timeout", "5m", "--soak", "10500ms")
    resumed, undone, plain = await kubevouch.several(
        ("resume", "bbbb", *there, *times, "--yes"),
        ("undo", "bbbb", *there, *times[:2], "--yes"),
        ("undo", "bbbb", *there, "--yes"),
    )
    for ran, words in (
        (resumed, f"resume bbbb --kubeconfig {away} --gate-timeout 300s --soak 10.5s"),
        (undone, f"undo bbbb --kubeconfig {away} --gate-timeout 300s"),
        (plain, f"undo bbbb --kubeconfig {away}"),
    ):
        assert ran.err.splitlines()[-1] == f"THEN     kubevouch {words}", ran


async def test_next_of_doctor_can_be_copied(kubevouch: Program, stage: Stage) -> None:
    """The kubeconfig is named by a flag, in a folder with a blank; $KUBECONFIG leads nowhere."""
    path = kubevouch.home / "my clusters" / "prod.yaml"
    path.parent.mkdir()
    path.write_bytes(stage.kubeconfig(kubevouch.home).read_bytes())
    kubevouch.environment["KUBECONFIG"] = "/nowhere"
    flags = ("--kubeconfig", str(path), "--context", "story")
    table, verified, document = await kubevouch.several(
        ("doctor", *flags), ("verify", *flags), ("doctor", *flags, "-o", "json")
    )
    [then] = [line for line in table.out.splitlines() if line.startswith("NEXT ")]
    words = ["kubevouch", "plan", "-o", "plan.json", "--via", "ssh", *flags]
    assert shlex.split(then)[1:] == words
    assert shlex.split(json.loads(document.out)["cause"]["next"]) == words
    [then] = [line for line in verified.out.splitlines() if line.startswith("NEXT ")]
    assert shlex.split(then)[1:] == ["kubevouch", "doctor", *flags]
    [again] = await kubevouch.several(tuple(shlex.split(then)[2:]))
    assert (again.code, again.out.splitlines()[0]) == (table.code, table.out.splitlines()[0])


async def test_what_a_server_recommends_can_be_typed(kubevouch: Program, stage: Stage) -> None:
    """Its kubeconfig is that of an account which may read next to nothing: doctor and apply need the operator's."""
    account = kubevouch.home / "account.kubeconfig"
    account.write_bytes(stage.kubeconfig(kubevouch.home).read_bytes())
    where = ("--kubeconfig", str(account), "--context", "story")
    refused = "--deprecated-kubelet-completely-insecure"
    ran = await kubevouch("metrics-server", "run", *where, refused, code=2)
    lines = re.findall(r"`kubevouch ([^`]+)`", ran.err)
    assert lines == ["doctor", "plan -o plan.json"], ran
    assert [why_it_cannot_be_typed(each) for each in lines] == ["", ""]


def test_who_copies_a_command_out_of_a_sentence_is_told_the_flags_of_the_cluster() -> None:
    here = Invocation("kubectl vouch", (("--context", "of it"), ("--soak", "1s")))
    text = "run `kubevouch csr list`"
    for ends in ("", "."):
        assert here.with_flags(text + ends).startswith(f"{text}. Add --")
    assert here.with_flags(text).endswith(" --context 'of it' to these commands.")
    assert here.with_flags("run nothing") == "run nothing"
    assert Invocation().with_flags(text) == text
