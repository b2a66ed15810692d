"""Domains and mailboxes, as Go parses them for name constraints.

Sources: domainNameValid in Go's crypto/x509/parser.go; parseRFC2821Mailbox in verify.go.
"""

import re

_ATOM = re.compile(r"(?:\\.|[0-9A-Za-z!#$%&'*+\-/=?^_`{|}~.])+", re.DOTALL)
_QUOTED = re.compile(
    r'"((?:\\[\x01-\x09\x0b\x0c\x0e-\x7f]|[\x01-\x08\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f])*)"'
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def domain_is_valid(domain: str, *, constraint: bool = False) -> bool:
    """Whether Go accepts a domain: non-empty labels of visible ASCII, or "". A constraint may begin with a dot."""
    if not domain:
        return True
    if constraint and len(domain) > 1:
        domain = domain.removeprefix(".")
    return all(label and all("!" <= char <= "~" for char in label) for label in domain.split("."))


def mailbox(text: str) -> tuple[str, str] | None:
    """The local part and the domain of an e-mail address; None if Go cannot parse it."""
    quoted = _QUOTED.match(text)
    if text.startswith('"'):
        if quoted is None:
            return None
        local, rest = _ESCAPE.sub(r"\1", quoted[1]), text[quoted.end() :]
    else:
        atom = _ATOM.match(text)
        if atom is None:
            return None
        local, rest = _ESCAPE.sub(r"\1", atom[0]), text[atom.end() :]
        if local.startswith(".") or local.endswith(".") or ".." in local:
            return None
    domain = rest.removeprefix("@")
    if domain == rest or not domain_is_valid(domain):
        return None
    return local, domain
