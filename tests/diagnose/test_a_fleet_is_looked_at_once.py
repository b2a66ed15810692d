"""Rules over thousands of kubelets: what a rule needs of all is made once, and not for each."""

import pytest

from kubevouch.diagnose.rules import ports
from kubevouch.evidence.snapshot import Evidence
from tests.diagnose.cases import snapshot


async def test_whose_names_are_strange_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each node anew 1,000 kubelets were a million names: three quarters of doctor's time."""
    evidence = await snapshot("healthy-with-approver")
    assert len(evidence.served) > 1
    asked: list[Evidence] = []

    def counted(seen: Evidence) -> set[str]:
        asked.append(seen)
        return set()

    monkeypatch.setattr(ports, "strangers", counted)
    assert list(ports.not_node_name(evidence)) == []
    assert len(asked) == 1
