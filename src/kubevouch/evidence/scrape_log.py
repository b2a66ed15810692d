"""Parses metrics-server's log: nodes that it could not scrape, and rights that its account lacks."""

import re
import sys

from kubevouch.evidence.snapshot import LoggedDenial, LoggedScrapeFailure

# klog's structured lines: "Failed to scrape node" err="..." node="..." (metrics-server pkg/scraper/scraper.go).
_FAILURE = re.compile(r'"Failed to scrape node[^"]*" err="((?:[^"\\]|\\.)*)" node="([^"]*)"')
# The API server's refusal inside another line, quoted or not (apiserver's responsewriters/errors.go).
_DENIAL = re.compile(
    r'User \\*"(system:serviceaccount:[^"\\\s]{1,316})\\*" cannot ([a-z]{1,20}) resource \\*"([^"\\\s]{1,253})\\*" '
    r'in API group \\*"([^"\\\s]{0,253})\\*"'
)
# Escapes as written by strconv.Quote (klog's internal/serialize/keyvalues.go).
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)")
_CONTROLS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def scrape_failures(log: str, pod: str) -> tuple[LoggedScrapeFailure, ...]:
    """The newest failure of each node in a log, by node."""
    newest: dict[str, LoggedScrapeFailure] = {}
    for text, node in _FAILURE.findall(log):
        newest[node] = LoggedScrapeFailure(node, _ESCAPE.sub(_unquoted, text), pod)
    return tuple(newest[node] for node in sorted(newest))


def denials(log: str, pod: str) -> tuple[LoggedDenial, ...]:
    """Each lacking right once, sorted."""
    found: dict[str, LoggedDenial] = {}
    for user, verb, resource, group in _DENIAL.findall(log):
        what = f"{verb} {resource}{'.' if group else ''}{group}"
        text = f'User "{user}" cannot {verb} resource "{resource}" in API group "{group}"'
        found[what] = LoggedDenial(user, what, text, pod)
    return tuple(found[what] for what in sorted(found))


def _unquoted(escape: re.Match[str]) -> str:
    said = escape[1]
    if len(said) == 1:
        return _CONTROLS.get(said, said)
    number = int(said[1:], 16)
    # Half of a surrogate pair is no character, and Go writes none.
    usable = number <= sys.maxunicode and not 0xD800 <= number <= 0xDFFF
    return chr(number) if usable else escape[0]
