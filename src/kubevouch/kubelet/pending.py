"""What a kubelet's next start would do otherwise than the running one: keys of its files that differ from its /configz, which is read here, too.

Only keys that a file sets and no flag overrides. The kubelet fills an empty value (0, "", 0s, null, {}, []) with its default,
so that one says nothing. Durations and numbers are compared by what they mean.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from kubevouch.kubelet.configuration import BOOTSTRAP_KEY, values_of
from kubevouch.kubelet.document import Tree
from kubevouch.kubelet.effective import DEFAULT, EffectiveConfiguration
from kubevouch.kubelet.errors import AnswerError
from kubevouch.kubelet.flags import Flags
from kubevouch.kubelet.known_keys import KEYS, holds_keys

_LONGEST: Final = 60
_NOT_COMPARED: Final = ("apiVersion", "kind", BOOTSTRAP_KEY)
# Flags that are not named like their keys (options.go, AddKubeletConfigFlags; component-base, logs/api/v1/options.go).
_FLAGS: Final = {
    "anonymous-auth": "authentication.anonymous.enabled",
    "authentication-token-webhook": "authentication.webhook.enabled",
    "authentication-token-webhook-cache-ttl": "authentication.webhook.cacheTTL",
    "authorization-mode": "authorization.mode",
    "authorization-webhook-cache-authorized-ttl": "authorization.webhook.cacheAuthorizedTTL",
    "authorization-webhook-cache-unauthorized-ttl": "authorization.webhook.cacheUnauthorizedTTL",
    "event-qps": "eventRecordQPS",
    "image-gc-high-threshold": "imageGCHighThresholdPercent",
    "image-gc-low-threshold": "imageGCLowThresholdPercent",
    "kube-api-content-type": "contentType",
    "log-flush-frequency": "logging.flushFrequency",
    "log-json-info-buffer-size": "logging.options.json.infoBufferSize",
    "log-json-split-stream": "logging.options.json.splitStream",
    "log-text-info-buffer-size": "logging.options.text.infoBufferSize",
    "log-text-split-stream": "logging.options.text.splitStream",
    "logging-format": "logging.format",
    "manifest-url": "staticPodURL",
    "manifest-url-header": "staticPodURLHeader",
    "minimum-image-ttl-duration": "imageMinimumGCAge",
    "maximum-image-ttl-duration": "imageMaximumGCAge",
    "pod-manifest-path": "staticPodPath",
    "pod-max-pids": "podPidsLimit",
    "registry-qps": "registryPullQPS",
    "reserved-cpus": "reservedSystemCPUs",
    "v": "logging.verbosity",
    "vmodule": "logging.vmodule",
}
_UNITS: Final = {"h": 3600e9, "m": 60e9, "s": 1e9, "ms": 1e6, "us": 1e3, "µs": 1e3, "ns": 1.0}
_PART: Final = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(h|ms|us|µs|ns|m|s)"


@dataclass(frozen=True, slots=True)
class PendingChange:
    """A key whose value the next start would change. now, then: as JSON, cut short."""

    key: str
    now: str
    then: str
    source: str

    def __str__(self) -> str:
        return f"{self.key} from {self.now} to {self.then} ({self.source})"


def pending_changes(
    next_start: EffectiveConfiguration, running: Tree, flags: Flags
) -> tuple[PendingChange, ...]:
    """In the order of the files. running: the keys of /configz. flags: of the running process."""
    overridden = {_plain(name) for name, _ in flags.given}
    overridden |= {_plain(key) for name, key in _FLAGS.items() if flags.get(name) is not None}
    found = []
    for path, then in _leaves(next_start.tree, ()):
        dotted = ".".join(path)
        source = next_start.source_of(dotted)
        of_a_file = source != DEFAULT and not source.startswith("flag ")
        if not of_a_file or dotted in _NOT_COMPARED or _is_empty(then):
            continue
        if {_plain(dotted), _plain(path[-1]), _plain(path[0])} & overridden:
            continue
        now = _at(running, path)
        if not _same(now, then):
            found.append(PendingChange(dotted, _shown(now), _shown(then), source))
    return tuple(found)


def _plain(name: str) -> str:
    """A flag is named like its key, but for hyphens and case."""
    return name.replace("-", "").casefold()


def _leaves(tree: Tree, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Keys that kubelets know, with their values. Within free maps every key counts."""
    for key, value in tree.items():
        path = (*above, key)
        if holds_keys(".".join(above)) and ".".join(path) not in KEYS:
            continue
        if isinstance(value, dict):
            yield from _leaves(value, path)
        else:
            yield path, value


def _at(tree: Tree, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
    found: Any = tree
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _is_empty(value: Any) -> bool:  # noqa: ANN401 - JSON
    return value is not False and (not value or value == "0" or _nanoseconds(value) == 0)


def _same(now: Any, then: Any) -> bool:  # noqa: ANN401 - JSON
    if isinstance(then, bool) or isinstance(now, bool):
        return bool(now) is then
    if isinstance(now, list) and isinstance(then, list):
        return len(now) == len(then) and all(map(_same, now, then))
    if isinstance(now, dict) and isinstance(then, dict):  # within a list
        return now.keys() == then.keys() and all(_same(now[key], then[key]) for key in then)
    if not now and not then:  # null in a list is ""
        return True
    if now == then or str(now) == str(then):
        return True
    length = _nanoseconds(now)
    return length is not None and length == _nanoseconds(then)


def _nanoseconds(value: Any) -> float | None:  # noqa: ANN401 - JSON
    """A duration as Go reads it: 1h30m, 90s, or a number of nanoseconds; None if it is none."""
    if isinstance(value, int | float):
        return float(value)
    if not isinstance(value, str) or not re.fullmatch(f"({_PART})+", value):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, value))


def _shown(value: Any) -> str:  # noqa: ANN401 - JSON
    if value is None:
        return "its default"
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


LARGEST: Final = 1 << 20
"""Bytes. A kubelet's answer has about 3,000."""


class _Page(msgspec.Struct, frozen=True):
    kubeletconfig: dict[str, Any]


_DECODER: Final = msgspec.json.Decoder(_Page)


def read_configz(body: bytes, where: str) -> Tree:
    """The keys in a /configz answer, whose types are right. `where` names the kubelet.

    A key that is absent has its default there: serverTLSBootstrap is left out of the answer when it is false.

    Raises:
        AnswerError: the body is not an answer of /configz.
    """
    expected = '{"kubeletconfig": {...}} was expected'
    if len(body) > LARGEST:
        raise AnswerError(f"{where}, /configz", f"{len(body)} bytes", expected)
    try:
        tree = _DECODER.decode(body).kubeletconfig
        values_of(tree)
    # The last: JSON nested so deeply that the decoder gives up.
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise AnswerError(f"{where}, /configz", str(error), expected) from None
    return tree
