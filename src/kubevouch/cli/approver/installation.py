"""What an installed approver consists of: the manifests of deploy/approver, as `install` applies them and `remove` deletes them.

Pure, but for the files, which are part of this program.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any, Final

from kubevouch import goyaml
from kubevouch.errors import UsageError
from kubevouch.kube.images import names_an_image
from kubevouch.kube.resources import Resource
from kubevouch.kube.resources.applied import applied_resource
from kubevouch.policy.sources.configuration import CONFIGURATION, CONFIGURATION_KEY
from kubevouch.policy.sources.stored import HOLDS, labels_of

NAMESPACE: Final = "kubevouch-system"
DEPLOYMENT: Final = "kubevouch-approver"
ITS_PODS: Final = f"app.kubernetes.io/name={DEPLOYMENT}"
"""The label by which the Deployment selects its pods."""

DECIDED_BY: Final = "kubevouch-serving-csr-is-decided-by"
"""The policy that names who may decide, in its variables `users` and `groups`."""

_BASE: Final = (
    "00-namespace.yaml",
    "10-rbac.yaml",
    "20-recorded.yaml",
    "30-network-policy.yaml",
    "40-service.yaml",
    "50-deployment.yaml",
)
_TWO_REPLICAS: Final = "two-replicas/disruption-budget.yaml"
_ADMISSION: Final = (
    "admission/policies.yaml",
    "admission/bindings.yaml",
)


class Enforcement(StrEnum):
    """What the admission policies do."""

    NONE = "none"
    """They are not there."""

    WARN = "warn"
    """They warn the client and leave a mark in the audit log."""

    DENY = "deny"


KEPT: Final = ("recorded",)
"""What ConfigMaps of the manifests hold that a removal leaves with the pins."""


@dataclass(frozen=True)
class Manifest:
    """One object: its resource, and its body as it is applied."""

    resource: Resource[Any]
    body: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The object's metadata.name."""
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The object's metadata.namespace, "" for what is cluster-scoped."""
        return str(self.body["metadata"].get("namespace", ""))

    @property
    def holds(self) -> str:
        """What a ConfigMap holds: recorded, configuration; "" for anything else."""
        return str(self.body["metadata"].get("labels", {}).get(HOLDS, ""))

    def __str__(self) -> str:
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.resource.kind} {place}{self.name}"


@dataclass(frozen=True)
class Settings:
    """How the approver is to be installed.

    users, groups: who may decide on CSRs of kubelets besides the manifest's own. configuration: the text of
    configuration.yaml; None leaves what is there.
    """

    image: str
    replicas: int = 1
    enforcement: Enforcement = Enforcement.WARN
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    configuration: str | None = None


def checked_image(reference: str) -> str:
    """The same reference. Raises UsageError unless it names a digest."""
    if not names_an_image(reference):
        expected = "NAME@sha256:DIGEST was expected, with 64 hexadecimal digits: a tag may be moved to another image"
        raise UsageError(f"--image {reference}", "does not name one image", expected)
    return reference


def manifests(settings: Settings) -> tuple[Manifest, ...]:
    """All objects, in the order in which they are applied."""
    found = [*_read(*_BASE)]
    if settings.replicas > 1:
        found += _read(_TWO_REPLICAS)
    if settings.enforcement is not Enforcement.NONE:
        found += _read(*_ADMISSION)
    made = [_adapted(each, settings) for each in found]
    if settings.configuration is not None:
        made.insert(1, configuration_map(settings.configuration))
    return tuple(made)


def no_longer_wanted(settings: Settings) -> tuple[Manifest, ...]:
    """What an install with other settings may have made, and these settings do not have; the last one first."""
    found = list(_read(_TWO_REPLICAS)) if settings.replicas == 1 else []
    if settings.enforcement is Enforcement.NONE:
        found += _read(*_ADMISSION)
    return tuple(reversed(found))


def everything() -> tuple[Manifest, ...]:
    """Every object that any install may have made, the last one first; the namespace is the last of all."""
    found = (*_read(*_BASE), *_read(_TWO_REPLICAS), *_read(*_ADMISSION), configuration_map(""))
    return tuple(reversed(found))


def configuration_map(text: str) -> Manifest:
    """The ConfigMap with the approver's configuration."""
    labels = labels_of("configuration")
    metadata = {"name": CONFIGURATION, "namespace": NAMESPACE, "labels": labels}
    return _manifest(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {CONFIGURATION_KEY: text},
        }
    )


def _adapted(manifest: Manifest, settings: Settings) -> Manifest:
    body = dict(manifest.body)
    match manifest.resource.kind:
        case "Deployment":
            (container,) = body["spec"]["template"]["spec"]["containers"]
            container["image"] = settings.image
            body["spec"]["replicas"] = settings.replicas
        case "ValidatingAdmissionPolicyBinding" if settings.enforcement is Enforcement.DENY:
            body["spec"]["validationActions"] = ["Deny", "Audit"]
        case "ValidatingAdmissionPolicy" if manifest.name == DECIDED_BY:
            more = {"users": settings.users, "groups": settings.groups}
            for variable in body["spec"]["variables"]:
                known = json.loads(variable["expression"])
                names = dict.fromkeys([*known, *more[variable["name"]]])
                variable["expression"] = json.dumps(list(names))
    return Manifest(manifest.resource, body)


def _read(*names: str) -> Iterator[Manifest]:
    """The manifests in files of deploy/approver, fresh: the caller may change them."""
    for name in names:
        for document in _documents(name):
            yield _manifest(json.loads(document))


@cache
def _documents(name: str) -> tuple[str, ...]:
    """Those of one file as JSON, which is read sooner than YAML: a command wants them several times."""
    file = resources.files(__package__).joinpath("manifests", *name.split("/"))
    text = file.read_text(encoding="utf-8")
    documents = re.split(r"^---\n", text, flags=re.MULTILINE)
    return tuple(json.dumps(goyaml.read(each.encode())) for each in documents)


def _manifest(body: dict[str, Any]) -> Manifest:
    return Manifest(applied_resource(body["apiVersion"], body["kind"]), body)
