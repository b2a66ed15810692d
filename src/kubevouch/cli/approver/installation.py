"""The approver's settings in its manifests: the configuration and the admission policies."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kubevouch import goyaml
from kubevouch.cli.install.product import Live, Manifest
from kubevouch.errors import UsageError
from kubevouch.evidence.approvers import NAME, NAMESPACE
from kubevouch.policy.sources.configuration import (
    CONFIGURATION,
    CONFIGURATION_KEY,
    CONFIGURATION_SCHEMA,
    read_configuration,
)
from kubevouch.policy.sources.stored import Unreadable

THE_ACCOUNT: Final = f"v1 ServiceAccount {NAMESPACE}/{NAME}"
THE_CONFIGURATION: Final = f"v1 ConfigMap {NAMESPACE}/{CONFIGURATION}"
THE_POLICY: Final = (
    "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy /kubevouch-serving-csr-is-decided-by"
)
"""The admission policy whose variables `users` and `groups` list who may approve or deny CSRs."""

_SOURCES: Final = ("inventory", "pins", "renewal")
_BINDING: Final = "ValidatingAdmissionPolicyBinding"


@dataclass(frozen=True)
class Settings:
    """The approver's settings from flags.

    enforces: whether the admission policies deny requests, instead of only warning. users, groups: who may approve or
    deny kubelets' CSRs, in addition to the names in the manifest. configuration: the content of configuration.yaml;
    None keeps the current content.
    """

    enforces: bool = False
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    configuration: str | None = None


def enforces(live: Live) -> bool:
    """Whether the live admission policies deny requests, instead of only warning."""
    bindings = [each for each in live.values() if each["kind"] == _BINDING]
    return any("Deny" in each["spec"].get("validationActions", ()) for each in bindings)


def may_decide(live: Live, name: str) -> tuple[str, ...]:
    """The names of users or groups that may approve or deny CSRs, from the live admission policy.

    name: the policy's variable, `users` or `groups`. Raises UsageError if its value is not a list of names.
    """
    policy = live.get(THE_POLICY, {"spec": {}})
    for variable in policy["spec"].get("variables") or ():
        if variable["name"] != name:
            continue
        try:
            found = json.loads(variable["expression"])
        except ValueError:
            found = None
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            seen = f"the variable {name} is not a list of names"
            raise UsageError(THE_POLICY, seen, "delete the policy, then repeat the command")
        return tuple(found)
    return ()


def configuration_text(
    source: str | None, names: str, networks: Sequence[str], per_hour: int
) -> str | None:
    """Returns the content of configuration.yaml for the flags about new nodes, or None without such flags.

    Raises UsageError if the flags conflict, or if the approver would reject the result.
    """
    is_ruled = bool(names or networks)
    if source is None and not is_ruled:
        return None
    content: dict[str, object] = {"schemaVersion": CONFIGURATION_SCHEMA, "sources": [*_SOURCES]}
    if source != "hold":
        if not (names and networks):
            expected = "expected --new-node-names PATTERN and --new-node-cidr CIDR"
            raise UsageError("--new-nodes rule", "is incomplete", expected)
        content["sources"] = [*_SOURCES, "new-nodes"]
        content["newNodes"] = [{"names": names, "cidrs": [*networks], "perHour": per_hour}]
    elif is_ruled:
        expected = "--new-node-names and --new-node-cidr require --new-nodes=rule"
        raise UsageError("--new-nodes hold", "has no rule", expected)
    text = goyaml.written(content)
    read = read_configuration(text)
    problems = [str(read)] if isinstance(read, Unreadable) else read.problems
    if problems:
        # The error names a place in a file that does not exist yet.
        raise UsageError("--new-nodes rule", problems[0].partition(": ")[2])
    return text


def adapted(wanted: Sequence[Manifest], settings: Settings) -> tuple[Manifest, ...]:
    """The manifests, with the approver's settings filled in."""
    leaves = settings.configuration is None
    kept = [each for each in wanted if not (leaves and each.reference == THE_CONFIGURATION)]
    for each in kept:
        _adapt(each, settings)
    return tuple(kept)


def _adapt(manifest: Manifest, settings: Settings) -> None:
    body = manifest.body
    if manifest.reference == THE_CONFIGURATION:
        body["data"][CONFIGURATION_KEY] = settings.configuration
    elif manifest.resource.kind == _BINDING and settings.enforces:
        body["spec"]["validationActions"] = ["Deny", "Audit"]
    elif manifest.reference == THE_POLICY:
        more = {"users": settings.users, "groups": settings.groups}
        for variable in body["spec"]["variables"]:
            known = json.loads(variable["expression"])
            names = dict.fromkeys([*known, *more[variable["name"]]])
            variable["expression"] = json.dumps(list(names))
