"""The proxy for a server: the cluster's `proxy-url`, or else one from environment variables.

As in kubectl, Go's golang.org/x/net/http/httpproxy rules apply (HTTPS_PROXY, HTTP_PROXY, NO_PROXY
and their lower-case forms; loopback is never proxied).
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from kubevouch.kube.errors import KubeconfigError

_PORTS = {"http": 80, "https": 443}
_RIGHT = "expected a URL such as http://proxy.example:3128"


def checked_proxy(url: str, where: str) -> str:
    """Returns the URL of a proxy. Raises KubeconfigError at `where` if it is unusable."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise KubeconfigError(where, f'not a URL: "{url}"', _RIGHT) from None
    if parts.scheme.startswith("socks"):
        seen = f"a {parts.scheme} proxy, which kubevouch does not support"
        raise KubeconfigError(where, seen, "use an http or https proxy, or forward a port (ssh -L)")
    if parts.scheme not in _PORTS or not usable:
        raise KubeconfigError(where, f'not an http or https proxy: "{_shown(parts)}"', _RIGHT)
    return url


def _shown(parts: SplitResult) -> str:
    """The URL without its user name and password."""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def environment_proxy(server: str, environ: Mapping[str, str]) -> str:
    """The proxy that environment variables set for this server's URL; "" if they set none."""
    parts = urlsplit(server)
    name = "HTTPS_PROXY" if parts.scheme == "https" else "HTTP_PROXY"
    proxy = environ.get(name) or environ.get(name.lower()) or ""
    excepted = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    host, port = (parts.hostname or "").lower(), parts.port or _PORTS[parts.scheme]
    if not proxy or _is_loopback(host) or _is_excepted(host, port, excepted):
        return ""
    return checked_proxy(proxy if "://" in proxy else f"http://{proxy}", f"${name}")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _is_excepted(host: str, port: int, excepted: str) -> bool:
    entries = [entry.strip().lower() for entry in excepted.split(",")]
    return any(_matches(entry, host, port) for entry in entries if entry)


def _matches(entry: str, host: str, port: int) -> bool:
    """Whether a NO_PROXY entry matches: `*`, a network, or an address or domain with or without a port."""
    if entry == "*":
        return True
    address = _address(host)
    try:
        network = ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return _matches_name(entry, host, port)
    return address is not None and address in network


def _matches_name(entry: str, host: str, port: int) -> bool:
    name, colon, digits = entry.rpartition(":")
    if colon and (digits.isdecimal() or not digits):
        if digits and int(digits) != port:
            return False
        entry = name.strip("[]")
    if (address := _address(host)) is not None:
        return address == _address(entry)
    entry = entry.removeprefix("*")
    if entry.startswith("."):
        return host.endswith(entry)
    return bool(entry) and (host == entry or host.endswith(f".{entry}"))
