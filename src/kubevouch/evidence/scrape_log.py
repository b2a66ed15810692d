"""Parses the log of metrics-server, upstream's or ours: failed scrapes and missing permissions.

Both servers write klog lines, as text or as JSON (--logging-format).
"""

import json
import re
import sys
from collections.abc import Iterator

from kubevouch.evidence.snapshot import LoggedDenial, LoggedScrapeFailure

# klog's structured lines: "Failed to scrape node" err="..." node="..." (metrics-server pkg/scraper/scraper.go).
_FAILED = "Failed to scrape node"
_FIELD = re.compile(r' (err|node)="((?:[^"\\]|\\.)*)"')
# The API server's refusal inside another line, quoted or not (apiserver's responsewriters/errors.go).
_DENIAL = re.compile(
    r'User \\*"(system:serviceaccount:[^"\\\s]{1,316})\\*" cannot ([a-z]{1,20}) resource \\*"([^"\\\s]{1,253})\\*" '
    r'in API group \\*"([^"\\\s]{0,253})\\*"'
)
# A metrics server cannot do without these. Ours also writes Events if it may, and logs once that
# it may not.
_NEEDED = {"nodes", "pods", "nodes/metrics", "configmaps", "tokenreviews", "subjectaccessreviews"}
# A line about a node or its pods quotes the kubelet, which can imitate the API server's words.
_BY_A_KUBELET = re.compile(r' (?:node|pods?)="|"(?:node|pods?)":"')
# Escapes of strconv.Quote (klog's internal/serialize/keyvalues.go).
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)")
_CONTROLS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def scrape_failures(log: str, pod: str) -> tuple[LoggedScrapeFailure, ...]:
    """The newest scrape failure of each node in a log, sorted by node."""
    newest: dict[str, LoggedScrapeFailure] = {}
    for node, text in _failures(log):
        newest[node] = LoggedScrapeFailure(node, text, pod)
    return tuple(newest[node] for node in sorted(newest))


def _failures(log: str) -> Iterator[tuple[str, str]]:
    """Node and error of each failed scrape, in order."""
    for line in log.split("\n"):
        if line.startswith("{"):
            yield from _json_failure(line)
        if f'] "{_FAILED}' not in line:
            continue
        # Quotes within a value are escaped, so no value can fake a field.
        said = dict(_FIELD.findall(line))
        if len(said) == 2:
            yield said["node"], _ESCAPE.sub(_unquoted, said["err"])


def _json_failure(line: str) -> Iterator[tuple[str, str]]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return
    if not isinstance(said, dict) or not str(said.get("msg", "")).startswith(_FAILED):
        return
    node, text = said.get("node"), said.get("err")
    if isinstance(node, str) and isinstance(text, str):
        # JSON can hold half of a surrogate pair, which cannot be encoded.
        yield node.encode(errors="replace").decode(), text.encode(errors="replace").decode()


def denials(log: str, pod: str) -> tuple[LoggedDenial, ...]:
    """The permissions that metrics-server's account needs but lacks, sorted.

    Ignores lines that quote a kubelet, which could imitate the API server's message.
    """
    found: dict[str, LoggedDenial] = {}
    own = "\n".join(line for line in log.split("\n") if not _BY_A_KUBELET.search(line))
    for user, verb, resource, group in _DENIAL.findall(own):
        if resource not in _NEEDED:
            continue
        what = f"{verb} {resource}{'.' if group else ''}{group}"
        text = f'User "{user}" cannot {verb} resource "{resource}" in API group "{group}"'
        found[what] = LoggedDenial(user, what, text, pod)
    return tuple(found[what] for what in sorted(found))


def _unquoted(escape: re.Match[str]) -> str:
    said = escape[1]
    if len(said) == 1:
        return _CONTROLS.get(said, said)
    number = int(said[1:], 16)
    # Half of a surrogate pair is not a character, and Go never writes it.
    usable = number <= sys.maxunicode and not 0xD800 <= number <= 0xDFFF
    return chr(number) if usable else escape[0]
