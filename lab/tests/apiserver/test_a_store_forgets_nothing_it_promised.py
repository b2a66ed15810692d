"""A store against a model of it: every moment that is still remembered can be watched from, exactly."""

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, PODS, SECRETS
from kubevouch_lab.apiserver.status import StatusError
from kubevouch_lab.apiserver.store import Store

KINDS = st.sampled_from([CONFIG_MAPS, SECRETS])
NAMES = st.sampled_from("abc")
SPACES = st.sampled_from(["s", "t"])
DATA = st.dictionaries(st.sampled_from("kl"), st.sampled_from("12"), max_size=2)
Key = tuple[Any, str, str]


@contextlib.contextmanager
def _refused(code: int) -> Iterator[None]:
    with pytest.raises(StatusError) as caught:
        yield
    assert caught.value.code == code


class Stored(RuleBasedStateMachine):
    """The model: a dictionary for each revision, and the revision before which nothing is remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store(window=8)
        self.now: dict[Key, Any] = {}
        self.then: dict[int, dict[Key, Any]] = {self.store.revision: {}}

    def _noted(self) -> None:
        self.then[self.store.revision] = dict(self.now)

    @rule(kind=KINDS, name=NAMES, space=SPACES, data=DATA)
    def create(self, kind: Any, name: str, space: str, data: Any) -> None:
        thing = {"metadata": {"name": name, "namespace": space}, "data": data}
        if (kind, space, name) in self.now:
            with _refused(409):
                self.store.create(kind, thing)
            return
        kept = self.store.create(kind, thing)
        self.now[kind, space, name] = copy.deepcopy(kept)
        self._noted()

    @rule(kind=KINDS, name=NAMES, space=SPACES, data=DATA)
    def update(self, kind: Any, name: str, space: str, data: Any) -> None:
        before = self.now.get((kind, space, name))
        thing = {"metadata": {"name": name, "namespace": space}, "data": data}
        if before is None:
            with _refused(404):
                self.store.update(kind, thing)
            return
        kept = self.store.update(kind, thing)
        assert (kept == before) == (data == before["data"])
        self.now[kind, space, name] = copy.deepcopy(kept)
        self._noted()

    @rule(kind=KINDS, name=NAMES, space=SPACES)
    def delete(self, kind: Any, name: str, space: str) -> None:
        if (kind, space, name) not in self.now:
            with _refused(404):
                self.store.delete(kind, name, space)
            return
        self.store.delete(kind, name, space)
        del self.now[kind, space, name]
        self._noted()

    @precondition(lambda self: len(self.then) > 3)
    @rule()
    def compact(self) -> None:
        self.store.compact()
        assert self.store.compacted == self.store.revision

    @invariant()
    def every_remembered_moment_can_be_watched_from(self) -> None:
        for revision, model in self.then.items():
            for kind in (CONFIG_MAPS, SECRETS):
                known = {key[1:]: thing for key, thing in model.items() if key[0] is kind}
                if revision < self.store.compacted:
                    self._is_forgotten(kind, revision)
                    continue
                assert self._replayed(kind, revision, known) == self.store.list(kind)

    def _is_forgotten(self, kind: Any, revision: int) -> None:
        with _refused(410):
            self.store.watch(kind, revision)

    def _replayed(self, kind: Any, since: int, known: dict[Any, Any]) -> list[Any]:
        """What was there then, and each event after it."""
        with self.store.watch(kind, since) as watcher:
            changes = watcher.waiting()
        assert [change.revision for change in changes] == sorted(
            {change.revision for change in changes}
        )
        for change in changes:
            assert change.revision > since
            assert (change.where in known) == (change.before is not None)
            if change.after is None:
                assert change.last["metadata"]["resourceVersion"] == str(change.revision)
                del known[change.where]
            else:
                known[change.where] = change.after
        return [known[where] for where in sorted(known)]


@given(
    steps=st.lists(st.tuples(NAMES, SPACES, st.sampled_from(["n1", "n2", "", "gone"])), max_size=20)
)
def test_what_is_on_a_node_is_found_without_looking_at_the_rest(
    steps: list[tuple[str, str, str]],
) -> None:
    store = Store()
    for name, space, node in steps:
        pod = {"metadata": {"name": name, "namespace": space}, "spec": {"nodeName": node}}
        there = store.find(PODS, name, space) is not None
        if node == "gone":
            if there:
                store.delete(PODS, name, space)
        elif there:
            store.update(PODS, pod)
        else:
            store.create(PODS, pod)
        for asked in ("n1", "n2"):
            found = store.list(PODS, trigger=("spec.nodeName", asked))
            assert found == [pod for pod in store.list(PODS) if pod["spec"]["nodeName"] == asked]
            for one in ("s", "t"):
                named = store.list(PODS, one, trigger=("metadata.name", "a"))
                wanted = store.find(PODS, "a", one)
                assert named == ([wanted] if wanted else [])


Stored.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestAStoreAgainstItsModel = Stored.TestCase
