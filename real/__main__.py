"""The verbs of the bed: `python -m real build|up|state|age|down|run|story|exec`. `docs/internals/bed.md` tells what they do; the Makefile calls them."""

import argparse
import fcntl
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from real import (
    aging,
    charts,
    e2e,
    needs,
    network,
    operator_place,
    programs,
    progress,
    rootfs,
    story,
)
from real.bed import Bed
from real.boot import Boot
from real.cluster import machines_of
from real.errors import BedError, MissingNeed, NotRunning
from real.layout import KUBERNETES_VERSIONS, Folders
from real.running import Record
from real.states import State
from real.sweep import sweep
from real.switching import Switch

_IMAGE = Path(__file__).parent.parent / "dist" / "kubevouch-image.tar"


def main() -> int:
    """Runs one verb and returns the exit status."""
    environment = dict(os.environ)
    chosen = _parser().parse_args()
    folders = Folders.of(environment)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _verb(chosen, folders, environment)
    except MissingNeed as missing:
        wanted = chosen.verb != "run" or environment.get("CI") in {"true", "1"}
        progress.say(f"real: {'a need is missing' if wanted else 'skipped'}: {missing}")
        return 1 if wanted else 0
    except BedError as failed:
        progress.say(f"real: {failed}")
        return 1
    except KeyboardInterrupt:
        progress.say("real: interrupted")
        return 130


def _verb(chosen: argparse.Namespace, folders: Folders, environment: Mapping[str, str]) -> int:
    if chosen.verb == "exec":
        return _exec(folders, environment, chosen.command)
    if chosen.verb == "age":
        # The story types it, while it holds the lock itself.
        network.enter()
        aging.age(Bed.running(environment), chosen.days)
        progress.say(f"certificates that kubelets serve are {chosen.days} days older")
        return 0
    if chosen.verb == "run":
        needs.require(folders)
        with _held(folders, "run"):
            return _run(folders, environment, chosen)
    with _held(folders, chosen.verb):
        if chosen.verb == "story":
            _story(folders, environment, chosen.image, fast=chosen.fast)
        elif chosen.verb == "up":
            needs.require(folders)
            _up(folders, State(chosen.state), chosen.kubernetes)
            print(operator_place.lines(folders))
        elif chosen.verb == "build":
            needs.require(folders)
            _build(folders, chosen.kubernetes)
        elif chosen.verb == "state":
            _switch(folders, State(chosen.state))
        else:
            _down(folders)
    return 0


def _up(folders: Folders, state: State, version: str) -> None:
    """Boots a bed; one that is up with that version of Kubernetes is only brought into the state."""
    if _is_up(folders, version):
        progress.say(f"a bed with Kubernetes {version} is up already")
        _switch(folders, state)
        return
    needs.install()
    with progress.step("what was left is removed"):
        sweep(folders)
    needs.require_inotify()
    Boot(folders, version).run(state)
    progress.say(f"up: Kubernetes {version}, {state}")


def _build(folders: Folders, version: str) -> None:
    """Makes what the cache lacks of all that takes minutes: the programs of a bed and of tests, Debian."""
    needs.install()
    of_tests = (programs.HELM, programs.PROMTOOL, programs.POWERCUT, programs.METRICS_CLIENTS)
    programs.build(folders, (*of_tests, *programs.modules(version)))
    rootfs.build(folders)
    progress.say(f"built: all that a bed with Kubernetes {version} is made of, and what tests run")


def _is_up(folders: Folders, version: str) -> bool:
    try:
        facts = Record(folders).read()
        return facts.version == version and all(machine.leader for machine in machines_of(folders))
    except NotRunning:
        return False


def _switch(folders: Folders, state: State) -> None:
    facts = Record(folders).read()
    network.enter()
    Switch(folders, facts).to(state)
    progress.say(f"the bed is {state}")


def _down(folders: Folders) -> None:
    """Takes the bed down, and is not interrupted in it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with progress.step("taken down"):
        sweep(folders)


def _story(folders: Folders, environment: Mapping[str, str], image: Path, *, fast: bool) -> None:
    """Boots a bed if none is up, gives it the image, and tells the story on it."""
    needs.require(folders)
    if not image.is_file():
        raise BedError(str(image), "there is no container image", "`make image` builds it")
    _up(folders, State.EXPIRED, KUBERNETES_VERSIONS[0])
    network.enter()
    reference = Bed.running(environment).load_image(image)
    story.tell(folders, operator_place.environment(folders, environment), reference, fast=fast)
    print("\n# The bed is still up. `make real-down` takes it down; until then:\n")
    print(operator_place.lines(folders))


def _run(folders: Folders, environment: Mapping[str, str], chosen: argparse.Namespace) -> int:
    """Boots, tests, takes down; the tests' exit status."""
    e2e.require()
    if folders.bed.exists():
        progress.say("a bed is up: it is taken down first")
    try:
        sweep(folders)
        if chosen.long:
            programs.build(folders, programs.FOR_LONG_TESTS)
        # Inside the bed's network nothing can be fetched: what the tests of the charts take is brought before.
        charts.real_helm(folders, folders.operator)
        charts.upstream_chart()
        _up(folders, State.EXPIRED, chosen.kubernetes)
        booted = progress.since_start()
        status, count = e2e.run(folders, environment, long=chosen.long, extra=chosen.pytest)
    finally:
        _down(folders)
    print(
        f"real: {count.run} e2e tests run, {count.passed} passed, {count.failed} failed, {count.skipped} skipped,"
        f" in {progress.duration(progress.since_start())} (boot {progress.duration(booted)})",
        flush=True,
    )
    return status


def _exec(folders: Folders, environment: Mapping[str, str], command: list[str]) -> int:
    """Becomes that command, at the operator's place."""
    Record(folders).read()
    network.enter()
    words = command[1:] if command[:1] == ["--"] else command
    argv = words or [environment.get("SHELL", "/bin/sh")]
    try:
        os.execvpe(argv[0], argv, operator_place.environment(folders, environment))
    except OSError as failed:
        raise BedError(argv[0], f"cannot be started: {failed.strerror}") from failed


@contextmanager
def _held(folders: Folders, verb: str) -> Iterator[None]:
    """One verb at a time. The lock goes with the process, however it ends."""
    try:
        file = folders.lock.open("a+")
    except OSError as failed:
        raise MissingNeed(
            str(folders.lock), failed.strerror or "cannot be opened", "the bed needs root"
        ) from failed
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            file.seek(0)
            raise BedError(
                str(folders.lock), f"held by {file.read().strip()}", "wait for it to end"
            ) from held
        file.truncate(0)
        file.write(f"`python -m real {verb}`, process {os.getpid()}\n")
        file.flush()
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m real", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    states = [str(state) for state in State]
    build = verbs.add_parser("build", help="build what the cache lacks, and boot nothing")
    up = verbs.add_parser("up", help="boot a bed in a state, or bring the one that is up into it")
    state = verbs.add_parser("state", help="bring the running bed into a state")
    run = verbs.add_parser("run", help="boot a bed, run tests/e2e inside its network, take it down")
    verbs.add_parser("down", help="take the bed down, or remove what a killed run left")
    inside = verbs.add_parser(
        "exec", help="run a command at the operator's place, with KUBECONFIG and kubectl at hand"
    )
    for verb in (up, state):
        verb.add_argument("--state", choices=states, default=str(State.EXPIRED))
    for verb in (build, up, run):
        verb.add_argument(
            "--kubernetes", choices=KUBERNETES_VERSIONS, default=KUBERNETES_VERSIONS[0]
        )
    told = verbs.add_parser("story", help="boot a bed if none is up, and tell the story on it")
    told.add_argument(
        "--image", type=Path, default=_IMAGE, help="what the approver's pods run, an OCI archive"
    )
    aged = verbs.add_parser("age", help="make what kubelets serve so many days older: 335d, say")
    aged.add_argument("days", type=lambda text: int(text.removesuffix("d")))
    told.add_argument("--fast", action="store_true", help="without pauses")
    run.add_argument("--long", action="store_true", help="also the tests marked long")
    run.add_argument("pytest", nargs="*", help="more words for pytest, after --")
    inside.add_argument("command", nargs=argparse.REMAINDER)
    return parser


if __name__ == "__main__":
    sys.exit(main())
