"""Objects of every kind as Kubernetes 1.36.3 itself printed, encoded and decoded them: real/oracle/objects_corpus.py."""

import base64
import contextlib
import json
from functools import cache
from typing import Any

import pytest

from kubevouch_lab.apiserver.kinds import KINDS, kind_of
from kubevouch_lab.apiserver.protobuf import decoded
from kubevouch_lab.apiserver.schema.strict import WrongType, checked
from lab.tests.apiserver.test_tables_as_kubectl_prints_them import RECORDED
from tests.support.rows import of_each

Case = dict[str, Any]


@cache
def cases() -> list[Case]:
    lines = (RECORDED / "go-objects.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def name(case: Case) -> str:
    thing = case.get("object", case)
    return f"{thing['apiVersion']} {thing['kind']} {case.get('seed', '')}"


FILLED = [case for case in cases() if "seed" in case]
WRITTEN = [case for case in cases() if "object" in case]
UNKNOWN = [case for case in WRITTEN if case["go"].get("unknown") and not case["go"].get("error")]


def bare(value: Any) -> Any:
    """Without what is empty: whether Go writes that down depends on the form, and says nothing."""
    if isinstance(value, dict):
        kept = {key: bare(one) for key, one in value.items()}
        return {key: one for key, one in kept.items() if one or one is False}
    return [bare(one) for one in value] if isinstance(value, list) else value


def false_free(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: false_free(one) for key, one in value.items() if one is not False}
    return [false_free(one) for one in value] if isinstance(value, list) else value


def test_every_kind_that_is_kept_was_filled() -> None:
    """But for CRDs: their schemas are any JSON in the lab, which nobody sends it as protobuf."""
    filled = {kind_of(case["apiVersion"], case["kind"]) for case in FILLED}
    assert {kind.kind for kind in KINDS.values() if kind not in filled} == {
        "CustomResourceDefinition"
    }


@of_each(FILLED, name)
def test_every_field_of_a_filled_object_is_known_and_its_protobuf_is_the_same(case: Case) -> None:
    thing = case["go"]["object"]
    found = checked(case["apiVersion"], case["kind"], thing)
    assert found.unknown == ()
    assert bare(found.body) == bare(thing)
    raw = base64.b64decode(case["go"]["protobuf"])
    assert false_free(bare(decoded(raw))) == false_free(bare(thing))


@of_each(UNKNOWN, name)
def test_what_is_not_known_is_named_as_go_names_it(case: Case) -> None:
    thing = case["object"]
    found = checked(thing["apiVersion"], thing["kind"], thing)
    assert list(found.unknown) == case["go"]["unknown"]


@of_each(WRITTEN, name)
def test_what_go_refuses_is_refused_and_what_it_takes_is_taken(case: Case) -> None:
    thing = case["object"]
    refused = bool(case["go"].get("error"))
    with pytest.raises(WrongType) if refused else contextlib.nullcontext():
        checked(thing["apiVersion"], thing["kind"], thing)
