"""Domains, mailboxes and URIs as Go parses them.

Go refuses a certificate with a URI that it cannot parse, and URI name constraints apply to the host. Kubelets use
neither; service meshes (SPIFFE) do. Sources: Parse in Go's net/url/url.go; domainNameValid in crypto/x509/parser.go;
parseRFC2821Mailbox in verify.go.
"""

import re

from kubevouch.x509.errors import Malformed
from kubevouch.x509.gotext import parse_address, quote

_ATOM = re.compile(r"(?:\\.|[0-9A-Za-z!#$%&'*+\-/=?^_`{|}~.])+", re.DOTALL)
_QUOTED = re.compile(
    r'"((?:\\[\x01-\x09\x0b\x0c\x0e-\x7f]|[\x01-\x08\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f])*)"'
)
_BACKSLASHED = re.compile(r"\\(.)", re.DOTALL)


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
        local, rest = _BACKSLASHED.sub(r"\1", quoted[1]), text[quoted.end() :]
    else:
        atom = _ATOM.match(text)
        if atom is None:
            return None
        local, rest = _BACKSLASHED.sub(r"\1", atom[0]), text[atom.end() :]
        if local.startswith(".") or local.endswith(".") or ".." in local:
            return None
    domain = rest.removeprefix("@")
    if domain == rest or not domain_is_valid(domain):
        return None
    return local, domain


_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
_USER = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_HOST = re.compile(r"""[A-Za-z0-9\-._~!$&'()*+,;=:\[\]<>"%]""")
_PORT = re.compile(r"(?::[0-9]*)?")


def host_of(text: str) -> str:
    """The host (with its port) of an ASCII URI, "" if it has none. Raises Malformed with Go's text."""
    uri, _, fragment = text.partition("#")
    try:
        host = _host(uri)
    except Malformed as error:
        raise Malformed(f"parse {quote(uri)}: {error}") from None
    try:
        _check_escapes(fragment)
    except Malformed as error:
        raise Malformed(f"parse {quote(text)}: {error}") from None
    return host


def _host(uri: str) -> str:
    if any(char < " " or char == "\x7f" for char in uri):
        raise Malformed("net/url: invalid control character in URL")
    if uri.startswith(":"):
        raise Malformed("missing protocol scheme")
    found = _SCHEME.match(uri)
    scheme = found[1].lower() if found else ""
    rest = uri[found.end() :] if found else uri
    rest = rest.partition("?")[0]
    if not rest.startswith("/"):
        if scheme:
            return ""
        if ":" in rest.partition("/")[0]:
            raise Malformed("first path segment in URL cannot contain colon")
    host, path = "", rest
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, tail = rest[2:].partition("/")
        host, path = _authority(scheme, authority), slash + tail
    _check_escapes(path)
    return host


def _authority(scheme: str, authority: str) -> str:
    user, at, host = authority.rpartition("@")
    host = _bracketed(host) if "[" in host else _named(scheme, host)
    if at:
        if not _USER.fullmatch(user):
            raise Malformed("net/url: invalid userinfo")
        _check_escapes(user)
    return host


def _bracketed(host: str) -> str:
    if host.rindex("[") > 0:
        raise Malformed("invalid IP-literal")
    literal, bracket, port = host[1:].rpartition("]")
    if not bracket:
        raise Malformed("missing ']' in host")
    _check_port(port)
    plain, zone, name = literal.partition("%25")
    address = _unescaped(plain)
    found = parse_address(address)
    if found is not None and found.version == 4 and not zone:
        raise Malformed("invalid IP-literal")
    if found is None or found.version == 4 or (zone and not name):
        raise Malformed(f"invalid host: {quote(literal)} is not an IPv6 address")
    return f"[{address}{zone.replace('%25', '%')}{name}]{port}"


def _named(scheme: str, host: str) -> str:
    if ":" in host:
        strict = scheme in {"http", "https"}
        at = host.index(":") if strict else host.rindex(":")
        _check_port(host[at:])
    return _unescaped(host)


def _check_port(port: str) -> None:
    if not _PORT.fullmatch(port):
        raise Malformed(f"invalid port {quote(port)} after host")


def _unescaped(host: str) -> str:
    """The host with its escapes decoded. Only what is not ASCII, and the percent sign, may be escaped."""
    _check_escapes(host)
    for found in _ESCAPED.finditer(host):
        if int(found[1], 16) < 0x80 and found[0] != "%25":
            raise Malformed(f"invalid URL escape {quote(found[0])}")
    for char in host:
        if not _HOST.match(char):
            raise Malformed(f"invalid character {quote(char)} in host name")
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), host)


def _check_escapes(text: str) -> None:
    found = _ESCAPE.search(text)
    if found:
        raise Malformed(f"invalid URL escape {quote(found[0])}")
