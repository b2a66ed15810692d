"""Bodies against the table of fields. The oracle: objects of a real cluster, and Go's own texts."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, CSRS, DEPLOYMENTS, NODES
from kubevouch_lab.apiserver.schema.strict import WrongType, checked
from lab.tests.apiserver.test_tables_as_kubectl_prints_them import STAGES, recorded_objects


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("stage", STAGES)
def test_objects_of_a_real_cluster_pass_unchanged(stage: str) -> None:
    for thing in recorded_objects(stage):
        found = checked(thing["apiVersion"], thing["kind"], thing)
        assert found.unknown == ()
        assert found.body == _without_nulls(thing)


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


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["spec", "metadata", "containers", "template", "name", "labels"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["spec", "metadata", "status", "x"]), _JSON, max_size=3))
def test_any_body_is_read_or_refused(body: dict[str, Any]) -> None:
    try:
        found = checked("apps/v1", "Deployment", body)
    except WrongType:
        return
    again = checked("apps/v1", "Deployment", found.body)
    assert again.unknown == ()
    assert again.body == found.body
