"""A kubelet's configuration: the values that kubevouch needs, and all problems in a file.

The file is config.yaml, a drop-in, or the text in the kubelet-config ConfigMap.
Sources: staging/src/k8s.io/kubelet/config/v1beta1/types.go,
pkg/kubelet/apis/config/v1beta1/defaults.go.
"""

from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from kubevouch.goyaml import Position, YamlNode
from kubevouch.kubelet.document import (
    ConfigDocument,
    Problem,
    ProblemKind,
    Tree,
    Value,
    read_document,
)
from kubevouch.kubelet.known_keys import KEYS, holds_keys, right_case

API_VERSION: Final = "kubelet.config.k8s.io/v1beta1"
KIND: Final = "KubeletConfiguration"
BOOTSTRAP_KEY: Final = "serverTLSBootstrap"


class KubeletConfiguration(msgspec.Struct, frozen=True):
    """The values that kubevouch needs, with the kubelet's defaults filled in."""

    server_tls_bootstrap: bool = msgspec.field(name=BOOTSTRAP_KEY, default=False)
    tls_cert_file: str = msgspec.field(name="tlsCertFile", default="")
    cluster_domain: str = msgspec.field(name="clusterDomain", default="")
    fail_swap_on: bool = msgspec.field(name="failSwapOn", default=True)
    """Whether the kubelet refuses to start while swap is on."""
    feature_gates: dict[str, bool] = msgspec.field(name="featureGates", default_factory=dict)

    @property
    def bootstrap_gate_off(self) -> bool:
        """Whether the feature gate RotateKubeletServerCertificate is off.

        If so, a kubelet with serverTLSBootstrap fails to start (validation.go).
        """
        own = self.feature_gates.get("RotateKubeletServerCertificate")
        return not (own if own is not None else self.feature_gates.get("AllBeta", True))


@dataclass(frozen=True, slots=True)
class ConfigurationFile:
    """A configuration file.

    where: its path, or "kubelet-config ConfigMap". values: the configuration from this file alone;
    None after a fatal problem. tree: all keys in the file, without defaults.
    """

    where: str
    values: KubeletConfiguration | None = None
    tree: Tree = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def fatal(self) -> Problem | None:
        """The first fatal problem; None if the file is usable."""
        return next((problem for problem in self.problems if problem.fatal), None)


def read_configuration(content: bytes, where: str, *, drop_in: bool = False) -> ConfigurationFile:
    """Reads a configuration file or a drop-in. Never raises, but returns each fault as a problem.

    In a drop-in, a duplicate key is fatal, as for a kubelet. A key in the wrong case is fatal, too,
    since its effect would depend on the other files.
    """
    return configuration_of(read_document(content), where, drop_in=drop_in)


def configuration_of(
    document: ConfigDocument, where: str, *, drop_in: bool = False
) -> ConfigurationFile:
    """Reads a parsed document, like read_configuration."""
    problems = list(document.problems)
    values = None
    if document.root is not None:
        problems += _key_problems(document.root)
        problems += _kind_problems(document)
        try:
            values = values_of(document.tree)
        except msgspec.ValidationError as error:
            problems.append(_type_problem(error, document.root))
    if drop_in:
        problems = [replace(each, fatal=each.fatal or each.kind in _FATAL) for each in problems]
    if any(problem.fatal for problem in problems):
        values = None
    return ConfigurationFile(where, values, document.tree, tuple(problems))


# In a drop-in.
_FATAL: Final = (ProblemKind.DUPLICATE_KEY, ProblemKind.WRONG_CASE)


def values_of(tree: Tree) -> KubeletConfiguration:
    """The configuration in a tree of keys, with the kubelet's defaults filled in. null means unset.

    Raises:
        msgspec.ValidationError: a value has a type that the kubelet rejects.
    """
    return msgspec.convert(_set_only(tree), KubeletConfiguration)


def _set_only(tree: Tree) -> Tree:
    return {
        key: _set_only(value) if isinstance(value, dict) else value
        for key, value in tree.items()
        if value is not None
    }


def _type_problem(error: msgspec.ValidationError, root: YamlNode) -> Problem:
    """The problem for a msgspec error such as: Expected `bool`, got `str` - at `$.serverTLSBootstrap`."""
    text, _, path = str(error).partition(" - at `$.")
    key = path.rstrip("`").partition("[")[0]
    line, column = next(
        (entry.node.start[:2] for entry in reversed(root.entries) if entry.key == key), (0, 0)
    )
    what = f"{key}: {text[:1].lower()}{text[1:]}"
    return Problem(ProblemKind.UNREADABLE, what, line, column, key, fatal=True)


def _kind_problems(document: ConfigDocument) -> list[Problem]:
    for key, expected in (("apiVersion", API_VERSION), ("kind", KIND)):
        found = _in_any_case(document.tree, key)
        if found != expected:
            seen = "is missing" if found is None else f"is {found!r}"
            what = f"{key} {seen}; expected {expected}"
            return [Problem(ProblemKind.UNREADABLE, what, key=key, fatal=True)]
    return []


def _in_any_case(tree: Tree, key: str) -> Value:
    """The value of apiVersion or kind.

    Like a kubelet, ignores the case of these keys (MetaFactory in apimachinery).
    """
    written = [found for found in tree if found.casefold() == key.casefold()]
    return tree[max(written, key=str.encode)] if written else None


def _key_problems(root: YamlNode, prefix: str = "") -> list[Problem]:
    """A problem for each key that is unknown or in the wrong case, in the order of the file."""
    problems: list[Problem] = []
    for entry in root.entries:
        dotted = f"{prefix}.{entry.key}" if prefix else entry.key
        if dotted in KEYS:
            if holds_keys(dotted):
                problems += _key_problems(entry.node, dotted)
        elif not entry.merges:
            problems.append(_key_problem(dotted, entry.key_node.start))
    return problems


def _key_problem(dotted: str, place: Position) -> Problem:
    meant = right_case(dotted)
    if meant is None:
        what = f"the key {dotted} is unknown to kubelets up to 1.36, which ignore it"
        return Problem(ProblemKind.UNKNOWN_KEY, what, *place[:2], dotted)
    what = f"the key {dotted} has the wrong case: expected {meant}"
    return Problem(ProblemKind.WRONG_CASE, what, *place[:2], dotted)
