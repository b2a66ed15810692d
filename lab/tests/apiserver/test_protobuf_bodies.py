"""Bodies in protobuf: real kubectl sends them, hostile bytes are refused."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.protobuf import decoded
from kubevouch_lab.apiserver.wire_format import Malformed, varint
from lab.tests.apiserver.bench import Bench
from lab.tests.plane import Plane

MAGIC = b"k8s\x00"


def tagged(number: int, content: bytes) -> bytes:
    """A field of bytes, a text or a message."""
    out, left = bytearray(), len(content)
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([number << 3 | 2, *out, left]) + content


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    meta = tagged(1, api_version.encode()) + tagged(2, kind.encode())
    return MAGIC + tagged(1, meta) + tagged(2, raw)


async def test_numbers_texts_and_either_arrive_whole(lab: Bench) -> None:
    await lab.does("create", "pdb", "it", "--selector=a=b", "--min-available=50%")
    await lab.does("create", "service", "clusterip", "it", "--tcp=80:8080")
    budget = json.loads(await lab.does("get", "pdb", "it", "-o", "json"))["spec"]
    assert budget == {"minAvailable": "50%", "selector": {"matchLabels": {"a": "b"}}}
    (port,) = json.loads(await lab.does("get", "svc", "it", "-o", "json"))["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (80, 8080)


# Bytes by hand, after the numbers in generated.proto of authentication.k8s.io/v1 and authorization.k8s.io/v1: path,
# apiVersion and kind, spec, and what the answer holds.
_POD_LIST = tagged(2, b"list") + tagged(5, b"pods")
REVIEWS: dict[str, tuple[str, str, bytes, tuple[str, Any]]] = {
    "SelfSubjectReview": ("selfsubjectreviews", "authentication", b"", ("userInfo", {"groups": ["system:masters", "system:authenticated"], "username": "kubernetes-admin"})),
    "TokenReview": ("tokenreviews", "authentication", tagged(2, tagged(1, b"no token")), ("error", "invalid bearer token")),
    "SelfSubjectAccessReview": ("selfsubjectaccessreviews", "authorization", tagged(2, tagged(1, _POD_LIST)), ("allowed", True)),
    "SubjectAccessReview": ("subjectaccessreviews", "authorization", tagged(2, tagged(1, _POD_LIST) + tagged(3, b"joe")), ("allowed", False)),
    "LocalSubjectAccessReview": ("namespaces/default/localsubjectaccessreviews", "authorization", tagged(2, tagged(1, tagged(1, b"default") + _POD_LIST) + tagged(3, b"joe")), ("allowed", False)),
}  # fmt: skip
PROTOBUF = "application/vnd.kubernetes.protobuf"


@pytest.mark.parametrize("said", [True, False], ids=["names itself", "names nothing"])
@pytest.mark.parametrize("kind", REVIEWS)
async def test_a_review_of_every_kind_is_read(running: Plane, kind: str, *, said: bool) -> None:
    """A body that does not name its kind is of the path's (the serializer's copyKindDefaults)."""
    path, group, spec, (key, value) = REVIEWS[kind]
    version = f"{group}.k8s.io/v1"
    empty = tagged(1, tagged(1, b"") + tagged(2, b"") + tagged(8, b""))
    body = envelope(version if said else "", kind if said else "", empty + spec)
    code, answer = await ask_as_admin(running, f"/apis/{version}/{path}", body)
    assert (code, answer["kind"]) == (201, kind), answer
    found = answer["status"][key]
    assert {k: found[k] for k in value} == value if isinstance(value, dict) else found == value


async def test_a_body_at_a_version_that_is_not_served_is_not_found(running: Plane) -> None:
    """Kubernetes' own spec of SelfSubjectReview goes by it: a version that is missing is skipped, a 400 is not."""
    for version in ("v1alpha1", "v1beta1"):
        body = envelope(f"authentication.k8s.io/{version}", "SelfSubjectReview", b"")
        path = f"/apis/authentication.k8s.io/{version}/selfsubjectreviews"
        assert await ask_as_admin(running, path, body) == (404, "404 page not found\n")


async def ask_as_admin(running: Plane, path: str, body: bytes) -> tuple[int, Any]:
    admin = running.authority.client("kubernetes-admin", "system:masters")
    accept = f"{PROTOBUF},application/json"
    return await running.ask_showing(
        admin, "POST", path, body, Content_Type=PROTOBUF, Accept=accept
    )


def _refusal(raw: bytes) -> str:
    with pytest.raises(status.StatusError) as error:
        decoded(raw)
    assert (error.value.code, error.value.reason) == (400, "BadRequest")
    return error.value.message


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "expected prefix [107 56 115 0]"),
        (b'{"kind": "Node"}', "expected prefix [107 56 115 0]"),
        (MAGIC, 'no kind "" is registered for version ""'),
        (envelope("v1", "Nothing", b""), 'no kind "Nothing" is registered for version "v1"'),
        (envelope("v1", "Node", b"\x0a\x7f"), "unexpected EOF"),
        (envelope("v1", "Node", b"\x0b"), "illegal wireType 3"),
        (envelope("v1", "Node", b"\x08\x01"), "wrong wireType = 0"),
        (envelope("v1", "Node", b"\x00\x01"), "illegal tag 0"),
        (envelope("v1", "Node", b"\xff" * 11), "integer overflow"),
        (envelope("v1", "Node", tagged(1, tagged(1, b"\xff"))), "utf-8"),
        (envelope("v1", "Pod", tagged(2, tagged(2, b"") * 300_000)), "more than 200000 values"),
        (envelope("v1", "Node", b"") + tagged(3, b"gzip"), "content encoding 'gzip' is not read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "body",
)
def test_what_is_no_body_is_refused_and_says_why(raw: bytes, text: str) -> None:
    assert text in _refusal(raw)


@settings(deadline=None)
@given(
    st.binary(max_size=200), st.sampled_from(["Node", "Pod", "Secret", "Event", "DeleteOptions"])
)
def test_any_bytes_are_read_or_refused(raw: bytes, kind: str) -> None:
    for body in (MAGIC + raw, envelope("v1", kind, raw)):
        with contextlib.suppress(status.StatusError):
            assert json.dumps(decoded(body))


def test_a_number_ends_after_ten_bytes() -> None:
    assert varint(memoryview(b"\xff" * 9 + b"\x01"), 0) == ((1 << 64) - 1, 10)
    with pytest.raises(Malformed):
        varint(memoryview(b"\x80" * 10 + b"\x01"), 0)
