"""Objects of every kind as Kubernetes 1.36.3 itself printed, encoded and decoded them: real/oracle/objects_corpus.py."""

import base64
import copy
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from kubevouch_lab.apiserver.kinds import KINDS, Kind, kind_of
from kubevouch_lab.apiserver.openapi.strict import WrongType, checked
from kubevouch_lab.apiserver.protobuf import decoded
from kubevouch_lab.apiserver.tables import table_for
from kubevouch_lab.apiserver.tables.table import DEFAULT, columns_of
from lab.tests.apiserver.test_tables_as_kubectl_prints_them import RECORDED
from tests.support.recordings import of_each

NOW = datetime(2026, 11, 25, tzinfo=UTC)
Case = dict[str, Any]


@cache
def cases() -> list[Case]:
    lines = (RECORDED / "go-objects.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _kind(case: Case) -> Kind | None:
    thing = case.get("object", case)
    return kind_of(thing["apiVersion"], thing["kind"])


def name(case: Case) -> str:
    thing = case.get("object", case)
    return f"{thing['apiVersion']} {thing['kind']} {case.get('seed', '')}"


FILLED = [case for case in cases() if "seed" in case]
WRITTEN = [case for case in cases() if "object" in case]
JUDGED = [case for case in WRITTEN if case["go"].get("error") or case["go"].get("unknown")]
# Of those that are listed: not bodies of subresources.
LISTED = [case for case in cases() if _kind(case) is not None]
PRINTED = [case for case in LISTED if case["go"].get("cells")]
# The aggregator prints its own kind.
HEADED = [case for case in LISTED if "seed" in case and case["kind"] != "APIService"]


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
    filled = {(case["apiVersion"], case["kind"]) for case in FILLED}
    filled.add(("apiextensions.k8s.io/v1", "CustomResourceDefinition"))
    assert {(kind.api_version, kind.kind) for kind in KINDS.values()} <= filled


@of_each(FILLED, name)
def test_every_field_of_a_filled_object_is_known(case: Case) -> None:
    thing = case["go"]["object"]
    found = checked(case["apiVersion"], case["kind"], thing)
    assert found.unknown == ()
    assert bare(found.body) == bare(thing)


@of_each(FILLED, name)
def test_its_protobuf_is_read_as_the_same_object(case: Case) -> None:
    thing = copy.deepcopy(case["go"]["object"])
    for part in (thing.get("deleteOptions", {}), *_claims(thing)):
        for key in ("apiVersion", "kind"):  # protobuf has them outermost only
            part.pop(key, None)
    raw = base64.b64decode(case["go"]["protobuf"])
    assert false_free(bare(decoded(raw))) == false_free(bare(thing))


def _claims(thing: Case) -> list[Case]:
    found = (
        (thing.get("spec") or {}).get("volumeClaimTemplates")
        if thing["kind"] == "StatefulSet"
        else []
    )
    return list(found or [])


@of_each(PRINTED, name)
def test_its_cells_are_the_real_printers(case: Case) -> None:
    thing = case["go"].get("object", case.get("object"))
    kind = _kind(case)
    assert kind
    made = table_for(kind, [thing], list_metadata={}, include_object="None", now=NOW)
    assert made["rows"][0]["cells"] == case["go"]["cells"]


@of_each(HEADED, name)
def test_its_columns_are_the_real_ones(case: Case) -> None:
    kind = _kind(case)
    assert kind
    ours = [(one.name, one.type, one.format, one.priority) for one in columns_of(kind)]
    theirs = [
        (one["name"], one["type"], one.get("format", ""), one.get("priority", 0))
        for one in case["go"].get("columns", [])
    ]
    assert ours == (theirs or [(one.name, one.type, one.format, 0) for one in DEFAULT.columns])


@of_each(JUDGED, name)
def test_what_is_wrong_with_a_body_is_said_in_gos_words(case: Case) -> None:
    thing, go = case["object"], case["go"]
    if go.get("error"):
        with pytest.raises(WrongType) as error:
            checked(thing["apiVersion"], thing["kind"], thing)
        assert str(error.value) == go["error"]
    else:
        assert list(checked(thing["apiVersion"], thing["kind"], thing).unknown) == go["unknown"]


@of_each(WRITTEN, name)
def test_what_go_takes_is_taken(case: Case) -> None:
    thing = case["object"]
    if not case["go"].get("error"):
        checked(thing["apiVersion"], thing["kind"], thing)
