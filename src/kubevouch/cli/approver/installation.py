"""What an installed approver consists of: the manifests of deploy/approver, as `install` applies them and `remove` deletes them.

Pure, but for the files, which are part of this program.
"""

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from kubevouch import goyaml
from kubevouch.errors import UsageError
from kubevouch.evidence import approvers
from kubevouch.kube.resources import Resource, applied_resource
from kubevouch.kube.resources.pods import names_an_image
from kubevouch.policy.sources.configuration import (
    CONFIGURATION,
    CONFIGURATION_KEY,
    CONFIGURATION_SCHEMA,
    read_configuration,
)
from kubevouch.policy.sources.stored import HOLDS, Unreadable, labels_of

NAMESPACE: Final = approvers.NAMESPACE
DEPLOYMENT: Final = approvers.NAME
ITS_PODS: Final = f"app.kubernetes.io/name={DEPLOYMENT}"
"""The label by which the Deployment selects its pods."""

THE_DEPLOYMENT: Final = f"apps/v1 Deployment {NAMESPACE}/{DEPLOYMENT}"
THE_ACCOUNT: Final = f"v1 ServiceAccount {NAMESPACE}/{DEPLOYMENT}"
THE_CONFIGURATION: Final = f"v1 ConfigMap {NAMESPACE}/{CONFIGURATION}"
THE_POLICY: Final = (
    "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy /kubevouch-serving-csr-is-decided-by"
)
"""It names who may decide, in its variables `users` and `groups`."""

_SOURCES: Final = ("inventory", "pins", "renewal")
_BINDING: Final = "ValidatingAdmissionPolicyBinding"
_APPLIED: Final = "kubevouch.dev/applied"
"""The annotation of the Deployment that names what its version consists of, so that the next one deletes what it lacks."""

_REFERENCE: Final = re.compile(r"([a-z0-9./]+) ([A-Za-z]+) ([a-z0-9-]*)/([a-z0-9:.-]+)")
_FILES: Final = (
    "00-namespace.yaml",
    "10-rbac.yaml",
    "20-recorded.yaml",
    "30-network-policy.yaml",
    "40-service.yaml",
    "admission/policies.yaml",
    "admission/bindings.yaml",
    "two-replicas/disruption-budget.yaml",
    "50-deployment.yaml",
)
"""The Deployment comes last: all that it needs, and the pins, are there before it runs."""


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
    def is_admission(self) -> bool:
        """Whether it belongs to the admission policies, which API servers have since Kubernetes 1.30."""
        return self.resource.group == "admissionregistration.k8s.io"

    @property
    def stays(self) -> bool:
        """Whether a removal leaves it: the namespace, and what is written down of nodes."""
        return self.resource.kind == "Namespace" or HOLDS in self.body["metadata"].get("labels", {})

    @property
    def reference(self) -> str:
        """Which object it is, whatever its content."""
        return f"{self.resource.api_version} {self.resource.kind} {self.namespace}/{self.name}"

    def __str__(self) -> str:
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.resource.kind} {place}{self.name}"


@dataclass(frozen=True)
class Settings:
    """How the approver is to be installed.

    enforces: whether the admission policies refuse; else they warn; None leaves them out. users, groups: who may decide on
    CSRs of kubelets besides the manifest's own. configuration: the text of configuration.yaml; None leaves what is there.
    """

    image: str
    replicas: int = 1
    enforces: bool | None = False
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    configuration: str | None = None


Live = Mapping[str, Mapping[str, Any]]
"""Objects of ours that are there, by reference."""


def image_in(live: Live) -> str:
    """The image that the Deployment runs, as `--image` takes it; a form to fill in where none is known by its digest."""
    pod = live[THE_DEPLOYMENT]["spec"]["template"]["spec"] if THE_DEPLOYMENT in live else {}
    images = [str(each["image"]) for each in pod.get("containers", ())]
    return next(filter(names_an_image, images), "NAME@sha256:DIGEST")


def enforces(live: Live) -> bool:
    """Whether the admission policies refuse now."""
    bindings = [each for each in live.values() if each["kind"] == _BINDING]
    return any("Deny" in each["spec"].get("validationActions", ()) for each in bindings)


def may_decide(live: Live, name: str) -> tuple[str, ...]:
    """The `users` or `groups` that the admission policy names now. Raises UsageError if it says so in another way than ours."""
    policy = live.get(THE_POLICY, {"spec": {}})
    for variable in policy["spec"].get("variables") or ():
        if variable["name"] != name:
            continue
        try:
            found = json.loads(variable["expression"])
        except ValueError:
            found = None
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            seen = f"its variable {name} is no list of names"
            raise UsageError(THE_POLICY, seen, "delete the policy, then run the same command")
        return tuple(found)
    return ()


def checked_image(reference: str) -> str:
    """The same reference. Raises UsageError unless it names a digest."""
    if not names_an_image(reference):
        expected = "NAME@sha256:DIGEST was expected, with 64 hexadecimal digits: a tag may be moved to another image"
        raise UsageError(f"--image {reference}", "does not name one image", expected)
    return reference


def configuration_text(
    source: str | None, names: str, networks: Sequence[str], per_hour: int
) -> str | None:
    """The configuration.yaml that the flags about new nodes state; None if they state nothing.

    Raises UsageError for what does not fit together, or could not be read by the approver.
    """
    is_ruled = bool(names or networks)
    if source is None and not is_ruled:
        return None
    content: dict[str, object] = {"schemaVersion": CONFIGURATION_SCHEMA, "sources": [*_SOURCES]}
    if source != "hold":
        if not (names and networks):
            expected = "--new-node-names PATTERN and --new-node-cidr CIDR were expected"
            raise UsageError("--new-nodes rule", "is not a whole rule", expected)
        content["sources"] = [*_SOURCES, "new-nodes"]
        content["newNodes"] = [{"names": names, "cidrs": [*networks], "perHour": per_hour}]
    elif is_ruled:
        expected = "--new-node-names and --new-node-cidr belong to --new-nodes rule"
        raise UsageError("--new-nodes hold", "has no rule", expected)
    text = goyaml.written(content)
    read = read_configuration(text)
    problems = [str(read)] if isinstance(read, Unreadable) else read.problems
    if problems:
        # Behind the place in a file that is not there yet.
        raise UsageError("--new-nodes rule", problems[0].partition(": ")[2])
    return text


def everything() -> tuple[Manifest, ...]:
    """Every object that an install may make, in the order in which they are applied, and deleted."""
    namespace, *others = (_manifest(json.loads(each)) for each in _documents())
    return namespace, _configuration_map(""), *others


def manifests(settings: Settings) -> tuple[Manifest, ...]:
    """The objects that these settings want, in the order in which they are applied; the Deployment is the last one."""
    found = [_adapted(each, settings) for each in everything() if _is_wanted(each, settings)]
    references = [each.reference for each in found if not each.stays]
    found[-1].body["metadata"]["annotations"] = {_APPLIED: "\n".join(references)}
    return tuple(found)


def _is_wanted(manifest: Manifest, settings: Settings) -> bool:
    if manifest.reference == THE_CONFIGURATION:
        return settings.configuration is not None
    if manifest.is_admission:
        return settings.enforces is not None
    return settings.replicas > 1 or manifest.resource.kind != "PodDisruptionBudget"


def no_longer_wanted(live: Live, wanted: tuple[Manifest, ...]) -> tuple[Manifest, ...]:
    """What the version that is there has by its own list, and these manifests do not have."""
    deployment = live.get(THE_DEPLOYMENT, {"metadata": {}})
    listed = (deployment["metadata"].get("annotations") or {}).get(_APPLIED, "").split("\n")
    known = {each.reference for each in wanted}
    found = (_referenced(each) for each in listed if each)
    return tuple(each for each in found if each.reference not in known and not each.stays)


def _referenced(reference: str) -> Manifest:
    """The object of that reference. Raises UsageError unless it could be one of an approver's: somebody may have edited the list."""
    found = _REFERENCE.fullmatch(reference)
    if found is not None:
        api_version, kind, namespace, name = found.groups()
        metadata = {"name": name, "namespace": namespace}
        with contextlib.suppress(LookupError):
            manifest = _manifest({"apiVersion": api_version, "kind": kind, "metadata": metadata})
            places = {each.namespace for each in everything()}
            if namespace in places and bool(namespace) is manifest.resource.namespaced:
                return manifest
    where, expected = f"annotation {_APPLIED} of {THE_DEPLOYMENT}", "the objects of a version"
    raise UsageError(where, f"names {reference!r}", f"{expected} were expected")


def _configuration_map(text: str) -> Manifest:
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
        case "ConfigMap" if manifest.reference == THE_CONFIGURATION:
            body["data"] = {CONFIGURATION_KEY: settings.configuration}
        case "ValidatingAdmissionPolicyBinding" if settings.enforces:
            body["spec"]["validationActions"] = ["Deny", "Audit"]
        case "ValidatingAdmissionPolicy" if manifest.reference == THE_POLICY:
            more = {"users": settings.users, "groups": settings.groups}
            for variable in body["spec"]["variables"]:
                known = json.loads(variable["expression"])
                names = dict.fromkeys([*known, *more[variable["name"]]])
                variable["expression"] = json.dumps(list(names))
    return Manifest(manifest.resource, body)


@cache
def _documents() -> tuple[str, ...]:
    """The files of deploy/approver as JSON, which is read sooner than YAML: a command wants them several times."""
    folder = resources.files(__package__).joinpath("manifests")
    texts = [folder.joinpath(*each.split("/")).read_text(encoding="utf-8") for each in _FILES]
    documents = (each for text in texts for each in re.split(r"^---\n", text, flags=re.MULTILINE))
    return tuple(json.dumps(goyaml.read(each.encode())) for each in documents)


def _manifest(body: dict[str, Any]) -> Manifest:
    return Manifest(applied_resource(body["apiVersion"], body["kind"]), body)
