"""Bodies against the table of fields. The oracle: objects of a real cluster, and Go's own texts."""

from typing import Any

import pytest

from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, CSRS, DEPLOYMENTS, NODES
from kubevouch_lab.apiserver.schema.strict import WrongType, checked


def test_fields_that_are_not_known_are_named_in_order_and_left_out() -> None:
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "colour": 1,
        "metadata": {"nam": "a", "labels": {"free": "x"}},
        "spec": {"template": {"spec": {"containers": [{"name": "a"}, {"imge": 2}]}}},
    }
    found = checked("apps/v1", "Deployment", body)
    assert found.unknown == (
        'unknown field "colour"',
        'unknown field "metadata.nam"',
        'unknown field "spec.template.spec.containers[1].imge"',
    )
    assert found.body == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"labels": {"free": "x"}},
        "spec": {"template": {"spec": {"containers": [{"name": "a"}, {}]}}},
    }


def test_names_are_told_apart_by_case_and_no_more_than_a_hundred_are_named() -> None:
    assert checked("apps/v1", "Deployment", {"Spec": {}}).unknown == ('unknown field "Spec"',)
    port = {"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 1}}}}
    assert checked("v1", "Node", port).unknown == ()
    assert len(checked("v1", "ConfigMap", {f"f{n}": n for n in range(1000)}).unknown) == 100


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        (DEPLOYMENTS, {"spec": {"replicas": "two"}}, "string into field spec.replicas of type int"),
        (DEPLOYMENTS, {"spec": {"replicas": 1 << 31}}, "number into field spec.replicas"),
        (DEPLOYMENTS, {"spec": {"paused": 1}}, "number into field spec.paused of type bool"),
        (DEPLOYMENTS, {"spec": {"template": []}}, "array into field spec.template of type object"),
        (CONFIG_MAPS, {"data": {"a": True}}, "bool into field data.a of type str"),
        (CSRS, {"spec": {"usages": "x"}}, "string into field spec.usages of type array"),
        (CSRS, {"spec": {"request": "a*b="}}, "illegal base64 data"),
        (NODES, {"status": {"capacity": {"cpu": "many"}}}, "quantities must match"),
        (NODES, {"metadata": {"creationTimestamp": "yesterday"}}, 'parsing time "yesterday"'),
    ],
)
def test_a_wrong_type_is_refused_and_says_where(kind: Any, body: dict[str, Any], text: str) -> None:
    with pytest.raises(WrongType, match=text):
        checked(kind.api_version, kind.kind, body)


def test_times_are_kept_in_utc_and_to_the_second() -> None:
    body = {"metadata": {"creationTimestamp": "2026-11-24T23:30:00.75+01:00"}}
    found = checked("v1", "Node", body).body
    assert found["metadata"]["creationTimestamp"] == "2026-11-24T22:30:00Z"


def test_a_kind_that_is_not_in_the_table_is_let_through() -> None:
    assert checked("example.com/v1", "Thing", {"any": 1}).body == {"any": 1}
