"""The objects of a server that `install` applies and `remove` deletes.

The manifests are files in this package, with the same content as in deploy/. This module reads them, and does no
other I/O.
"""

import contextlib
import json
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from kubevouch import PUBLISHED_IMAGE, goyaml
from kubevouch.errors import UsageError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import Node, Resource, applied_resource
from kubevouch.kube.resources.pods import names_an_image
from kubevouch.policy.sources.stored import HOLDS, PART_OF

_APPLIED: Final = "kubevouch.dev/applied"
"""The Deployment's annotation that lists the installed objects. An upgrade deletes listed objects that the new version lacks."""

_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
"""Objects of Helm charts have this label. Objects of our manifests do not."""

_REFERENCE: Final = re.compile(r"([a-z0-9./]+) ([A-Za-z]+) ([a-z0-9-]*)/([a-z0-9:.-]+)")

Live = Mapping[str, Mapping[str, Any]]
"""Our live objects, by `Manifest.reference`."""


@dataclass(frozen=True)
class Manifest:
    """An object to apply: its resource and its body."""

    resource: Resource[Any]
    body: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The object's metadata.name."""
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The object's metadata.namespace; "" if the object is cluster-scoped."""
        return str(self.body["metadata"].get("namespace", ""))

    @property
    def is_admission(self) -> bool:
        """Whether the object is part of an admission policy, which needs Kubernetes 1.30."""
        return self.resource.group == "admissionregistration.k8s.io"

    @property
    def stays(self) -> bool:
        """Whether `remove` keeps the object: the namespace, and ConfigMaps with pins, records or configuration."""
        return self.resource.kind == "Namespace" or HOLDS in self.body["metadata"].get("labels", {})

    @property
    def reference(self) -> str:
        """API version, kind, namespace and name."""
        return f"{self.resource.api_version} {self.resource.kind} {self.namespace}/{self.name}"

    def __str__(self) -> str:
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.resource.kind} {place}{self.name}"


@dataclass(frozen=True)
class Product:
    """A server that can be installed.

    verb: the group of its commands. files: its manifests below deploy/, in apply order, with the Deployment last.
    counts: selects nodes; with two or more of them, the server gets two replicas. why_not: returns why the
    server is not ready although its pods are; "" if it is ready. ready: the message for a ready server. then: the
    command to run after an install. without: what the cluster lacks after a removal.
    """

    verb: str
    namespace: str
    files: tuple[str, ...]
    counts: Callable[[Node], bool]
    ready: str
    then: str
    without: str
    why_not: Callable[[ApiClient], Awaitable[str]] | None = None

    @property
    def name(self) -> str:
        """The name of the server's Deployment, ServiceAccount and Service."""
        return f"kubevouch-{self.verb}"

    @property
    def title(self) -> str:
        """The server's name in messages, such as "metrics server"."""
        return self.verb.replace("-", " ")

    @property
    def pods(self) -> str:
        """The label selector for the product's pods."""
        return f"app.kubernetes.io/name={self.name}"

    @property
    def deployment(self) -> str:
        """The reference to the server's Deployment."""
        return f"apps/v1 Deployment {self.namespace}/{self.name}"

    @property
    def objects(self) -> tuple[Manifest, ...]:
        """Every object that an install may create, in the order in which they are applied and deleted."""
        return tuple(_manifest(json.loads(each)) for each in _documents(self.files))

    def is_others(self, live: Mapping[str, Any]) -> str:
        """Returns why the object belongs to another server or a Helm release, or "" if it does not.

        An install or removal must not change such an object.
        """
        if _labels(live).get(_MANAGED_BY) == "Helm":
            return "belongs to a Helm release, so use helm"
        here = f"Service {self.namespace}/{self.name}"
        if live["kind"] != "APIService" or (there := _leads_to(live)) == here:
            return ""
        return f"points to {there}; docs/metrics-server.md shows how to replace it"

    def owns(self, live: Mapping[str, Any]) -> bool:
        """Whether the object has our label and belongs to nobody else."""
        return _labels(live).get(PART_OF) == "kubevouch" and not self.is_others(live)


@dataclass(frozen=True)
class Present:
    """The state of the cluster before the install.

    has_admission: whether the API server supports ValidatingAdmissionPolicies. live: our objects in the cluster.
    """

    has_admission: bool
    live: Live
    nodes: Sequence[Node]


def _labels(live: Mapping[str, Any]) -> Mapping[str, str]:
    return live["metadata"].get("labels") or {}


def _leads_to(api_service: Mapping[str, Any]) -> str:
    found = api_service["spec"].get("service")
    return f"Service {found['namespace']}/{found['name']}" if found else "the API server itself"


def image_in(product: Product, live: Live) -> str:
    """The live Deployment's image, for `--image`; a placeholder if the image has no digest."""
    found = live.get(product.deployment)
    pod = found["spec"]["template"]["spec"] if found else {}
    images = [str(each["image"]) for each in pod.get("containers", ())]
    return next(filter(names_an_image, images), "NAME@sha256:DIGEST")


def checked_image(reference: str) -> str:
    """The image to install: the reference or, if it is empty, this version's published image.

    Raises UsageError if there is no image, or if the reference has no digest.
    """
    if not (reference or PUBLISHED_IMAGE):
        expected = "expected NAME@sha256:DIGEST; docs/install.md shows how to build an image"
        raise UsageError("--image", "is missing, and this version has no public image", expected)
    if reference and not names_an_image(reference):
        expected = "expected NAME@sha256:DIGEST, with 64 hexadecimal digits"
        raise UsageError(f"--image {reference}", "is not an image with a digest", expected)
    return reference or PUBLISHED_IMAGE


def manifests(product: Product, image: str, present: Present) -> tuple[Manifest, ...]:
    """The objects for this image and cluster, in apply order."""
    replicas = min(2, max(1, sum(map(product.counts, present.nodes))))
    *others, deployment = product.objects
    (container,) = deployment.body["spec"]["template"]["spec"]["containers"]
    container["image"] = image
    deployment.body["spec"]["replicas"] = replicas
    left_out = {"PodDisruptionBudget"} if replicas == 1 else set()
    wanted = [each for each in others if present.has_admission or not each.is_admission]
    return (*(each for each in wanted if each.resource.kind not in left_out), deployment)


def listed(wanted: Sequence[Manifest]) -> tuple[Manifest, ...]:
    """Lists the objects in the Deployment's annotation, except those that `remove` keeps.

    Returns all objects, with the changed Deployment.
    """
    *_, deployment = wanted
    references = [each.reference for each in wanted if not each.stays]
    deployment.body["metadata"]["annotations"] = {_APPLIED: "\n".join(references)}
    return tuple(wanted)


def no_longer_wanted(
    product: Product, live: Live, wanted: Sequence[Manifest], others: Iterable[Product]
) -> tuple[Manifest, ...]:
    """The objects that the live annotation lists, but `wanted` does not contain. An apply deletes them.

    others: products whose objects must not be in the annotation.
    """
    deployment = live.get(product.deployment, {"metadata": {}})
    named = (deployment["metadata"].get("annotations") or {}).get(_APPLIED, "").split("\n")
    known = {each.reference for each in wanted}
    own = {each.reference for each in product.objects}
    theirs = {each.reference for other in others for each in other.objects} - own
    found = (_referenced(product, each, theirs) for each in named if each)
    return tuple(each for each in found if each.reference not in known and not each.stays)


def _referenced(product: Product, reference: str, theirs: Collection[str]) -> Manifest:
    """Parses a reference in the annotation, which somebody may have edited.

    Raises UsageError if the product cannot have such an object.
    """
    found = _REFERENCE.fullmatch(reference)
    if found is not None and reference not in theirs:
        api_version, kind, namespace, name = found.groups()
        metadata = {"name": name, "namespace": namespace}
        with contextlib.suppress(LookupError):
            manifest = _manifest({"apiVersion": api_version, "kind": kind, "metadata": metadata})
            places = {each.namespace for each in product.objects}
            kinds = {each.resource for each in product.objects}
            is_placed = bool(namespace) is manifest.resource.namespaced
            if namespace in places and manifest.resource in kinds and is_placed:
                return manifest
    where = f"annotation {_APPLIED} of {product.deployment}"
    raise UsageError(where, f"expected references to our objects, got {reference!r}")


@cache
def _documents(files: tuple[str, ...]) -> tuple[str, ...]:
    """The manifests in these files as JSON, which parses faster than YAML. A command parses them several times."""
    folder = resources.files(__package__).joinpath("manifests")
    texts = [folder.joinpath(*each.split("/")).read_text(encoding="utf-8") for each in files]
    documents = (each for text in texts for each in re.split(r"^---\n", text, flags=re.MULTILINE))
    return tuple(json.dumps(goyaml.read(each.encode())) for each in documents)


def _manifest(body: dict[str, Any]) -> Manifest:
    return Manifest(applied_resource(body["apiVersion"], body["kind"]), body)
