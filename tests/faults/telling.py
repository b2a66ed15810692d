"""A case at a moment, told once: what becomes of the node left alone, and what of the same command again."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kubevouch.rollout.decide.transaction import TransactionState, TransactionStep, render
from tests.powercut.whole import File
from tests.rollout.conftest import CONFIG, machine_in
from tests.support.shells import becomes_sh

from .cases import Case, Moment
from .node import FaultyNode

_ENDED = (TransactionState.UNDONE, TransactionState.NOTHING)


@dataclass
class Telling:
    """The node, and a folder for copies of it: one for each state that a call begins in, and one of what is just told."""

    node: FaultyNode
    copies: Path
    before: dict[str, File] = field(init=False)

    def __post_init__(self) -> None:
        """Brings a new node to each of these states."""
        self.before = self.node.tree()
        self._copy(self.node.folder, self.copies / "begin")
        for step, then in (("begin", "commit"), ("commit", "undo")):
            answer = self.node.called(TransactionStep(step))
            assert answer is not None
            assert answer.outcome in (TransactionState.BEGUN, TransactionState.COMMITTED)
            self.node.gets_its_certificate()
            self._copy(self.node.folder, self.copies / then)

    def tell(self, case: Case, moment: Moment) -> str:
        """Two words, with a slash between them; "-" if the run was never in that state during that call."""
        call, state = moment
        self._copy(self.copies / call, self.node.folder)
        self.node.is_synced()
        (self.node.folder / "does").write_text(case.does)
        (self.node.folder / "second").write_text(self._second(case))
        (self.node.folder / "at").write_text(f"{state}\n")
        self.node.called(TransactionStep(call))
        if (self.node.folder / "at").exists():
            return "-"
        if case.second:
            self._until((self.node.folder / "second.done").exists)
            said = (self.node.folder / "second.said").read_text()
            assert '"outcome":"' in said, said
            assert '"busy"' not in said, said
        return self._both(case, call)

    def _both(self, case: Case, call: str) -> str:
        self._copy(self.node.folder, self.copies / "told")
        if case.starts_again or not self.node.switch_fires():
            self.node.starts_again()
        alone = self._seen(case)
        if not case.starts_again:
            self._ends_as_before(case)
            self._copy(self.copies / "told", self.node.folder)
            self._heal(case)
        again = self._again(call)
        self._ends_as_before(case)
        return f"{alone} / {again}"

    def _again(self, call: str) -> str:
        """The same command once more, as far as it comes: its last answer."""
        if call == "undo":
            answer = self.node.called(TransactionStep.UNDO)
        else:
            answer = self.node.called(TransactionStep.BEGIN)
            if answer is not None and answer.outcome is TransactionState.BEGUN:
                self.node.gets_its_certificate()
                answer = self.node.called(TransactionStep.COMMIT)
        return "no answer" if answer is None else answer.outcome.value

    def _ends_as_before(self, case: Case) -> None:
        self._heal(case)
        if run := case.second.partition(" ")[2]:
            self.node.called(TransactionStep.UNDO, self.node.change(run=run))
        answer = self.node.called(TransactionStep.UNDO)
        assert answer is not None
        assert answer.outcome in _ENDED, answer.reason
        now = self.node.tree()
        other = {
            each
            for each in (now.keys() | self.before.keys())
            if now.get(each) != self.before.get(each)
        }
        assert self._seen(case) == "before", f"not as before: {sorted(other)}"

    def _heal(self, case: Case) -> None:
        words = self.node.words("-c", case.after or ":")
        subprocess.run(words, check=True, env=self.node.environment, timeout=60)

    def _seen(self, case: Case) -> str:
        tree, before = self.node.tree(), self.before
        if case.keeps and self.node.config.read_bytes() == CONFIG + case.keeps.encode():
            tree, before = (
                {**each, "config.yaml": before["config.yaml"]} for each in (tree, before)
            )
        if tree == before:
            return "before"
        return "changed" if self.node.has_changed() else "between"

    def _second(self, case: Case) -> str:
        """Another operator's call, in the background of the first one's."""
        step, _, run = case.second.partition(" ")
        if not step:
            return ""
        change = self.node.change(run=run or self.node.change().run)
        script = self.node.folder / "second.script"
        script.write_bytes(render(TransactionStep(step), change, self.node.seed()).sealed())
        shell = " ".join(self.node.words("-s"))
        return (
            f'SLEEPS=1 {shell} <"{script}" >"$MACHINE/second.said" 2>&1\n'
            'touch "$MACHINE/second.done"\n'
        )

    @staticmethod
    def _until(done: Callable[[], bool]) -> None:
        until = time.monotonic() + 120
        while not done():
            assert time.monotonic() < until
            time.sleep(0.05)

    @staticmethod
    def _copy(source: Path, to: Path) -> None:
        """With hard links, times and owners. What is mounted in the place stays mounted."""
        to.mkdir(exist_ok=True)
        for each in to.iterdir():
            for old in each.iterdir() if each.is_mount() else (each,):
                if old.is_dir() and not old.is_symlink():
                    shutil.rmtree(old)
                else:
                    old.unlink()
        subprocess.run(["cp", "-a", f"{source}/.", str(to)], check=True, timeout=60)


def told(node: FaultyNode, copies: Path, case: Case, moments: Iterable[Moment]) -> dict[str, str]:
    """What becomes of a new node at each of these moments, by its name. Its folder has a `bin`, and may have mounts in it."""
    machine_in(node.folder)
    becomes_sh(node.shell, node.folder / "bin")
    node.is_made()
    copies.mkdir()
    telling = Telling(node, copies)
    return {": ".join(each): telling.tell(case, each) for each in moments}
