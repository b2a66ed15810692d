"""The effective configuration of a kubelet, and the source of each value.

Each source overrides the sources before it: defaults, the --config file, the drop-ins in
--config-dir, flags. We apply only flags for keys that kubevouch reads. The rules are from
NewKubeletCommand, mergeKubeletConfigurations and kubeletConfigFlagPrecedence in
cmd/kubelet/app/server.go of 1.36.3; tests/kubelet/cases record what a real kubelet does.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

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

DEFAULT: Final = "default"

_SWITCHES: Final = {"rotate-server-certificates": BOOTSTRAP_KEY, "fail-swap-on": "failSwapOn"}
_TEXTS: Final = {"tls-cert-file": "tlsCertFile", "cluster-domain": "clusterDomain"}


@dataclass(frozen=True, slots=True)
class EffectiveConfiguration:
    """The effective configuration, and its sources.

    sources: the name of each source and the keys that it sets, in ascending precedence. Names:
    "file /var/lib/kubelet/config.yaml", "drop-in /etc/kubelet.d/10-tls.conf",
    "flag --rotate-server-certificates".
    """

    configuration: KubeletConfiguration
    sources: tuple[tuple[str, Tree], ...] = ()

    def source_of(self, key: str) -> str:
        """The source of a key's value; DEFAULT if no source sets the key."""
        found = next((each for each in reversed(self.sources) if key in each[1]), None)
        return DEFAULT if found is None or found[1][key] is None else found[0]


def effective(
    file: ConfigurationFile | None, drop_ins: Sequence[ConfigurationFile], flags: Flags
) -> EffectiveConfiguration:
    """The effective configuration of a kubelet with these files and flags.

    drop_ins: in the order of `drop_in_order`.

    Raises:
        ConfigurationError: a file is unreadable or a flag is invalid, so the kubelet would not
        start.
    """
    for found in (*([file] if file else []), *drop_ins):
        if found.fatal:
            raise ConfigurationError(found.where, str(found.fatal))
    sources: list[tuple[str, Tree]] = []
    if file is not None:
        sources.append((f"file {file.where}", file.tree))
    sources += [(f"drop-in {each.where}", each.tree) for each in drop_ins]
    sources += _from_flags(flags)
    merged: Tree = {}
    for _, tree in sources:
        _merge(merged, tree)
    try:
        return EffectiveConfiguration(values_of(merged), tuple(sources))
    except msgspec.ValidationError as error:
        raise ConfigurationError("the merged files", str(error)) from None


def drop_in_order(paths: Iterable[str]) -> tuple[str, ...]:
    """The drop-ins (*.conf) among these paths, in the order in which a kubelet reads them.

    Compares paths component by component, as bytes.
    """
    found = [path for path in paths if path.endswith(".conf")]
    return tuple(sorted(found, key=lambda path: [part.encode() for part in path.split("/")]))


def _merge(into: Tree, patch: Tree) -> None:
    """Applies a JSON merge patch (RFC 7396): mappings merge, null removes, everything else replaces."""
    for key, value in patch.items():
        if isinstance(value, dict):
            held = into.get(key)
            merged: Tree = dict(held) if isinstance(held, dict) else {}
            _merge(merged, value)
            into[key] = merged
        elif value is None:
            into.pop(key, None)
        else:
            into[key] = value


def _from_flags(flags: Flags) -> Iterator[tuple[str, Tree]]:
    """Yields each flag that overrides a key, with the key and the flag's value."""
    for flag, key in _SWITCHES.items():
        if (switch := flags.switch(flag)) is not None:
            yield f"flag --{flag}", {key: switch}
    for flag, key in _TEXTS.items():
        if (text := flags.get(flag)) is not None:
            yield f"flag --{flag}", {key: text}
    gates: Tree = dict(flags.feature_gates)
    if gates:
        yield "flag --feature-gates", {"featureGates": gates}
