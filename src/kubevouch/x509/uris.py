"""URIs as Go parses them, and their hosts.

Go refuses a certificate with a URI that it cannot parse, and URI name constraints apply to the host. Kubelets use
neither; service meshes (SPIFFE) do. Source: net/url/url.go, Parse.
"""

import re

from kubevouch.x509.errors import Malformed
from kubevouch.x509.gotext import parse_address, quote

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
