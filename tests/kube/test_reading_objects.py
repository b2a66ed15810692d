"""Objects as a real API server wrote them, read into narrow structs."""

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.kube import resources
from kubevouch.kube.decode import Listed, RawObject, decoded, list_of
from kubevouch.kube.errors import BadResponse
from kubevouch.kube.resources import (
    NODES,
    APIService,
    CertificateSigningRequest,
    ConfigMap,
    Deployment,
    EndpointSlice,
    Lease,
    Node,
    Object,
    Pod,
    Resource,
    Role,
    RoleBinding,
    Service,
    micro_time,
)
from tests.support.unhurried import examples

FIXTURES = Path(__file__).parents[1] / "fixtures" / "kubeadm-1.36"
# What `kubectl get -o json` wrote on a real cluster.
KINDS: dict[str, type[Object]] = {
    "nodes": Node,
    "pods": Pod,
    "csr": CertificateSigningRequest,
    "leases": Lease,
    "endpointslices": EndpointSlice,
    "clusterrolebinding": RoleBinding,
    "deploy-metrics-server": Deployment,
    "svc-metrics-server": Service,
    "apiservice-v1beta1-metrics-k8s-io": APIService,
    "cm-kubelet-config": ConfigMap,
}
EVERY = [value for value in vars(resources).values() if isinstance(value, Resource)]


def _read(name: str) -> tuple[Any, ...]:
    data = (FIXTURES / f"{name}.json").read_bytes()
    if b'"items"' in data:
        return decoded(data, list_of(KINDS[name]), name).items
    return (decoded(data, KINDS[name], name),)


def test_of_a_nodes_conditions_ready_is_kept() -> None:
    """Real ones have five: thousands of Nodes are kept at a time."""
    raw = json.loads((FIXTURES / "nodes.json").read_text())["items"]
    for node, whole in zip(_read("nodes"), raw, strict=True):
        assert [each.type for each in node.status.conditions] == ["Ready"]
        told = {each["type"]: each["status"] for each in whole["status"]["conditions"]}
        assert len(told) > 1
        assert node.ready is (told["Ready"] == "True")


@pytest.mark.parametrize("name", KINDS)
def test_every_recorded_object_has_its_metadata(name: str) -> None:
    whole = json.loads((FIXTURES / f"{name}.json").read_text())
    raw = whole.get("items", [whole])
    found = _read(name)
    assert [(o.name, o.namespace, o.uid) for o in found] == [
        (o["metadata"]["name"], o["metadata"].get("namespace", ""), o["metadata"]["uid"])
        for o in raw
    ]
    for thing, original in zip(found, raw, strict=True):
        created = datetime.fromisoformat(original["metadata"]["creationTimestamp"])
        assert thing.metadata.creation_timestamp == created
        assert thing.metadata.resource_version == original["metadata"]["resourceVersion"]


def test_a_node_that_announces_another_port_or_none() -> None:
    one = {"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 4194}}}}
    assert decoded(json.dumps(one).encode(), Node, "x").kubelet_port == 4194
    assert decoded(b"{}", Node, "x").kubelet_port == 10250


def test_a_signing_request_is_whole() -> None:
    serving, client = _read("csr")[0], _read("csr")[1]
    spec = serving.spec
    assert spec.request.startswith(b"-----BEGIN CERTIFICATE REQUEST-----")
    assert spec.username == "system:node:k8s-master.internal.example.com"
    assert spec.groups == ("system:nodes", "system:authenticated")
    assert spec.usages == ("digital signature", "server auth")
    assert spec.signer_name == "kubernetes.io/kubelet-serving"
    assert spec.expiration_seconds is None
    assert list(spec.extra) == ["authentication.kubernetes.io/credential-id"]
    assert serving.status.certificate.startswith(b"-----BEGIN CERTIFICATE-----")
    approved = serving.condition("Approved")
    assert approved is not None
    assert approved.true
    assert isinstance(approved.last_update_time, datetime)
    assert serving.condition("Denied") is None
    assert client.spec.username == "system:bootstrap:abcdef"


def test_a_lease_has_its_microseconds_and_writes_six_digits() -> None:
    lease = next(found for found in _read("leases") if found.spec.renew_time)
    raw = json.loads((FIXTURES / "leases.json").read_text())["items"]
    original = next(item for item in raw if item["metadata"]["name"] == lease.name)
    assert lease.spec.renew_time is not None
    assert lease.spec.renew_time.tzinfo is not None
    assert micro_time(lease.spec.renew_time) == original["spec"]["renewTime"]
    assert micro_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05.000000Z"


@pytest.mark.parametrize(
    ("kind", "text", "empty"),
    [
        (Role, '{"metadata": {"name": "a"}, "rules": null}', ("rules", ())),
        (EndpointSlice, '{"metadata": {"name": "a"}, "endpoints": null}', ("endpoints", ())),
        (ConfigMap, '{"metadata": {"name": "a", "labels": null}, "data": null}', ("data", {})),
        (
            Deployment,
            '{"metadata": {"name": "a"}, "status": null}',
            ("status", Deployment().status),
        ),
    ],
)
def test_null_is_absent(kind: type[Object], text: str, empty: tuple[str, Any]) -> None:
    found = decoded(text.encode(), kind, "x")
    assert (found.name, getattr(found, empty[0])) == ("a", empty[1])


def test_no_items_is_an_empty_list() -> None:
    for text in (b'{"items": null}', b"{}", b'{"items": []}', b'{"items": null, "metadata": null}'):
        assert decoded(text, list_of(Pod), "x") == Listed()


@pytest.mark.parametrize(
    "moment", ["0000-01-01T00:00:00Z", "-001-12-31T00:01:00.000000Z", "10000-01-01T00:00:00Z"]
)
def test_a_moment_that_python_has_no_room_for_harms_only_itself(moment: str) -> None:
    # Go's time.Time holds them, and a node writes its own status and lease.
    listed = {
        "items": [
            {"metadata": {"name": "good"}, "spec": {"renewTime": "2026-11-24T23:03:09.925417Z"}},
            {"metadata": {"name": "bad"}, "spec": {"renewTime": moment, "holderIdentity": "me"}},
        ]
    }
    good, bad = decoded(json.dumps(listed).encode(), list_of(Lease), "x").items
    assert good.spec.renew_time is not None
    assert (bad.spec.renew_time, bad.spec.holder_identity) == (None, "me")


def test_the_first_moment_of_all_is_a_moment() -> None:
    data = b'{"spec": {"renewTime": "0001-01-01T00:00:00.000000Z"}}'
    assert decoded(data, Lease, "x").spec.renew_time == datetime(1, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"metadata": {"name": 1}}', "metadata.name"),
        ('{"spec": {"renewTime": "yesterday"}}', "spec.renewTime"),
        ('{"spec": {"leaseDurationSeconds": "40"}}', "spec.leaseDurationSeconds"),
        ("[]", "object"),
    ],
)
def test_another_shape_is_an_error_that_names_the_field(text: str, place: str) -> None:
    with pytest.raises(BadResponse, match=place):
        decoded(text.encode(), Lease, "https://api")


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.just("0000-01-01T00:00:00Z"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["metadata", "name", "items", "spec", "status", "conditions"]), inner
        )
    ),
    max_leaves=20,
)


@examples(800)
@given(st.binary(max_size=200) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_and_any_json_are_an_object_or_a_bad_answer(data: bytes) -> None:
    for kind in (list_of(CertificateSigningRequest), list_of(Node)):
        with contextlib.suppress(BadResponse):
            assert isinstance(decoded(data, kind, "x"), Listed)


def test_json_that_ends_too_deep_is_a_bad_answer() -> None:
    for deep in (b'{"metadata":' * 100_000, b'{"items":[' + b"[" * 100_000, b"[" * 100_000 + b"]"):
        with pytest.raises(BadResponse):
            decoded(deep, list_of(Node), "x")


@pytest.mark.parametrize("levels", [99, 900, 5_000, 10_000, 200_000])
def test_an_object_that_is_nested_very_deep_keeps_no_list_from_being_read(levels: int) -> None:
    """Whoever writes an object may state its managedFields, and an API server takes ten thousand levels."""
    deep = '{"f:]}\\"":[' * levels + "1" + "]}" * levels
    mine = '{"metadata":{"name":"%s","managedFields":[{"fieldsV1":%s,"manager":"m"}]},"spec":{"username":"u"}}'
    items = ",".join((mine % ("a", "{}"), mine % ("b", deep), mine % ("c", "{}")))
    found = decoded(f'{{"items":[{items}]}}'.encode(), list_of(CertificateSigningRequest), "x")
    assert [each.name for each in found.items] == ["a", "b", "c"]
    assert {each.metadata.managed_fields[0].manager for each in found.items} == {"m"}
    assert {each.spec.username for each in found.items} == {"u"}


@pytest.mark.parametrize("levels", [300, 600, 900, 5_000])
@pytest.mark.parametrize("odd", ["null", '"0000-01-01T00:00:00Z"'])
def test_nor_does_one_that_has_a_time_besides_that_python_cannot_hold(
    levels: int, odd: str
) -> None:
    deep = '{"f:a":' * levels + "1" + "}" * levels
    mine = f'{{"metadata":{{"name":"b","managedFields":[{{"fieldsV1":{deep},"time":{odd}}}]}}}}'
    found = decoded(f'{{"items":[{mine}],"metadata":null}}'.encode(), list_of(Node), "x")
    assert [each.name for each in found.items] == ["b"]


def test_what_is_to_be_written_back_is_never_read_without_what_is_nested_deep() -> None:
    deep = '{"x":' * 20_000 + "1" + "}" * 20_000
    data = f'{{"metadata":{{}},"spec":{deep}}}'.encode()
    try:
        found = RawObject(NODES, data, "x").whole()
    except BadResponse:
        return
    # Python 3.14 goes as deep as its stack is long.
    assert msgspec.json.encode(found["spec"]).decode() == deep


@pytest.mark.parametrize(
    "resource", EVERY, ids=lambda resource: f"{resource.group}/{resource.plural}"
)
def test_every_resource_reads_an_empty_object(resource: Resource[Any]) -> None:
    empty = decoded(b"{}", resource.struct, "x")
    assert empty == resource.struct()
    assert msgspec.json.decode(msgspec.json.encode(empty), type=resource.struct) == empty


def test_paths_are_those_of_the_api() -> None:
    assert resources.NODES.path() == "/api/v1/nodes"
    assert resources.PODS.path("ns", "p", "log") == "/api/v1/namespaces/ns/pods/p/log"
    assert resources.PODS.path() == "/api/v1/pods"
    assert resources.CSRS.path(name="csr-x", subresource="approval") == (
        "/apis/certificates.k8s.io/v1/certificatesigningrequests/csr-x/approval"
    )
    assert resources.NODES.path("ignored", "n") == "/api/v1/nodes/n"


@pytest.mark.parametrize(
    "name", ["../../secrets", "a/b", "..", ".", "a?b", "a#b", "a%2fb", "a b", "\n"]
)
def test_a_name_cannot_leave_its_place_in_a_path(name: str) -> None:
    path = resources.NODES.path(name=name)
    assert path.startswith("/api/v1/nodes/")
    last = path.removeprefix("/api/v1/nodes/")
    assert not set(last) & set("/?# \n")
    assert last not in (".", "..")
