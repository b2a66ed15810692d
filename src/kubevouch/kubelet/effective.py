"""The effective configuration of a kubelet, and the source of each value.

Of flags only those are known whose keys are read here. The order: defaults, the file of --config, the drop-ins of --config-dir one after the other, then flags. Sources:
NewKubeletCommand, mergeKubeletConfigurations, kubeletConfigFlagPrecedence in cmd/kubelet/app/server.go of 1.36.3; the
kubelet's own answers are recorded in tests/kubelet/cases.
"""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from kubevouch.kubelet.configuration import (
    BOOTSTRAP_KEY,
    ConfigurationFile,
    KubeletConfiguration,
    values_of,
)
from kubevouch.kubelet.document import Tree
from kubevouch.kubelet.errors import ConfigurationError
from kubevouch.kubelet.flags import Flags
from kubevouch.kubelet.known_keys import KEYS, holds_keys

DEFAULT: Final = "default"

# configfiles.go, resolveRelativePaths; of the main file only.
_PATHS: Final = (
    "tlsCertFile",
    "tlsPrivateKeyFile",
    "staticPodPath",
    "authentication.x509.clientCAFile",
)

_SWITCHES: Final = {"rotate-server-certificates": BOOTSTRAP_KEY, "fail-swap-on": "failSwapOn"}
_TEXTS: Final = {
    "tls-cert-file": "tlsCertFile",
    "tls-private-key-file": "tlsPrivateKeyFile",
    "cluster-domain": "clusterDomain",
}


@dataclass(frozen=True, slots=True)
class EffectiveConfiguration:
    """The effective configuration, and the source of each dotted key that is not a default.

    Sources read "file /var/lib/kubelet/config.yaml", "drop-in /etc/kubelet.d/10-tls.conf", "flag --rotate-server-certificates".
    """

    configuration: KubeletConfiguration
    sources: Mapping[str, str] = field(default_factory=dict)
    tree: Tree = field(default_factory=dict)
    """All keys with their values, also those that `configuration` does not hold; without defaults."""

    @property
    def refuses_swap(self) -> bool:
        """Whether the kubelet does not start while swap is on: failSwapOn, which is true where nobody says otherwise."""
        return self.tree.get("failSwapOn") is not False

    def source_of(self, key: str) -> str:
        """The source of a dotted key's value; DEFAULT if no source sets it."""
        return self.sources.get(key, DEFAULT)


def effective(
    file: ConfigurationFile | None, drop_ins: Sequence[ConfigurationFile], flags: Flags
) -> EffectiveConfiguration:
    """The effective configuration of a kubelet started with these sources. drop_ins: in the order of `drop_in_order`.

    Raises:
        ConfigurationError: a file cannot be read or a flag is invalid; the kubelet would not start.
    """
    for found in (*([file] if file else []), *drop_ins):
        if found.fatal:
            raise ConfigurationError(found.where, str(found.fatal))
    merged: dict[str, Any] = {}
    if file is not None:
        merged = _leaves(_known(file.tree, ""), f"file {file.where}")
        _make_paths_absolute(merged, posixpath.dirname(file.where))
    for drop_in in drop_ins:
        _merge(merged, _leaves(drop_in.tree, f"drop-in {drop_in.where}"))
    for dotted, value, flag in _from_flags(flags):
        _put(merged, dotted, _Leaf(value, f"flag --{flag}"))
    tree, sources = _parted(merged)
    try:
        return EffectiveConfiguration(values_of(tree), sources, tree)
    except msgspec.ValidationError as error:
        raise ConfigurationError("the files together", str(error)) from None


def drop_in_order(paths: Iterable[str]) -> tuple[str, ...]:
    """The paths that a kubelet reads as drop-ins (*.conf), in its order: folder by folder, sorted by bytes."""
    found = [path for path in paths if path.endswith(".conf")]
    return tuple(sorted(found, key=lambda path: [part.encode() for part in path.split("/")]))


@dataclass(frozen=True, slots=True)
class _Leaf:
    value: Any
    source: str


def _leaves(tree: Tree, source: str) -> dict[str, Any]:
    """The tree, each value with its source."""
    return {
        key: _leaves(value, source) if isinstance(value, dict) else _Leaf(value, source)
        for key, value in tree.items()
    }


def _merge(into: dict[str, Any], patch: dict[str, Any]) -> None:
    """Applies a JSON merge patch (RFC 7396): mappings merge, null removes, everything else replaces."""
    for key, value in patch.items():
        if isinstance(value, dict):
            held = into.get(key)
            into[key] = held if isinstance(held, dict) else {}
            _merge(into[key], value)
        elif value.value is None:
            into.pop(key, None)
        else:
            into[key] = value


def _known(tree: Tree, prefix: str) -> Tree:
    """The tree without unknown keys: the main file is decoded before drop-ins are merged."""
    kept: Tree = {}
    for key, value in tree.items():
        dotted = f"{prefix}.{key}" if prefix else key
        if dotted in KEYS or not holds_keys(prefix):
            kept[key] = _known(value, dotted) if isinstance(value, dict) else value
    return kept


def _make_paths_absolute(tree: dict[str, Any], folder: str) -> None:
    for dotted in _PATHS:
        found: Any = tree
        for part in dotted.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        path = found.value if isinstance(found, _Leaf) else None
        if isinstance(path, str) and path and not posixpath.isabs(path):
            path = posixpath.normpath(posixpath.join(folder, path))
            _put(tree, dotted, _Leaf(path, found.source))


def _put(tree: dict[str, Any], dotted: str, leaf: _Leaf) -> None:
    *folders, name = dotted.split(".")
    for part in folders:
        held = tree.get(part)
        tree[part] = held if isinstance(held, dict) else {}
        tree = tree[part]
    tree[name] = leaf


def _parted(tree: dict[str, Any], prefix: str = "") -> tuple[Tree, dict[str, str]]:
    """The tree of values, and the sources by dotted key."""
    values: Tree = {}
    sources: dict[str, str] = {}
    for key, value in tree.items():
        dotted = f"{prefix}.{key}" if prefix else key
        if isinstance(value, dict):
            values[key], within = _parted(value, dotted)
            sources |= within
        else:
            values[key] = value.value
            sources[dotted] = value.source
    return values, sources


def _from_flags(flags: Flags) -> Iterator[tuple[str, Any, str]]:
    """(dotted key, value, flag) of every flag that overrides a key."""
    for flag, key in _SWITCHES.items():
        if (switch := flags.switch(flag)) is not None:
            yield key, switch, flag
    for flag, key in _TEXTS.items():
        if (text := flags.get(flag)) is not None:
            yield key, text, flag
    for gate, state in flags.feature_gates.items():
        yield f"featureGates.{gate}", state, "feature-gates"
