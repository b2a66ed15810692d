"""Services and what stands behind them."""

from datetime import datetime

from kubevouch_lab.apiserver.tables.columns import (
    AGE,
    NAME,
    NONE,
    UNSET,
    Cell,
    Column,
    Printer,
    age_of,
    at,
    formatted_selector,
    items,
    labels,
    mapping,
    name_of,
    shortened,
    text,
    whole,
    wide,
)
from kubevouch_lab.objects import ReadOnlyObject

_SHOWN = 3  # endpoints and ports, before "+ N more..."


def _service(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    addresses = items(thing, "spec.clusterIPs")
    return [
        name_of(thing),
        text(thing, "spec.type"),
        str(addresses[0]) if addresses else NONE,
        _external(thing),
        ",".join(map(_port, items(thing, "spec.ports"))) or NONE,
        age_of(thing, now),
        labels(mapping(thing, "spec.selector")),
    ]


def _port(port: object) -> str:
    node_port = whole(port, "nodePort")
    number = f"{text(port, 'port')}:{node_port}" if node_port > 0 else text(port, "port")
    return f"{number}/{text(port, 'protocol')}"


def _external(thing: ReadOnlyObject) -> str:
    outside = [str(one) for one in items(thing, "spec.externalIPs")]
    match text(thing, "spec.type"):
        case "ClusterIP" | "NodePort":
            return ",".join(outside) or NONE
        case "LoadBalancer":
            ingress = items(thing, "status.loadBalancer.ingress")
            given = {text(one, "ip") or text(one, "hostname") for one in ingress}
            return ",".join([*sorted(filter(None, given)), *outside]) or "<pending>"
        case "ExternalName":
            return text(thing, "spec.externalName")
        case _:
            return "<unknown>"


def _endpoints(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    found: list[str] = []
    for subset in items(thing, "subsets"):
        addresses = [text(one, "ip") for one in items(subset, "addresses")]
        ports = [f":{text(one, 'port')}" for one in items(subset, "ports")]
        found += [_joined(address, port) for port in ports or [""] for address in addresses]
    shown = shortened(found, _SHOWN) if items(thing, "subsets") else NONE
    return [name_of(thing), shown, age_of(thing, now)]


def _joined(address: str, port: str) -> str:
    return f"[{address}]{port}" if port and ":" in address else f"{address}{port}"


def _endpoint_slice(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    ports = [_slice_port(one) for one in items(thing, "ports")]
    addresses = [
        str(address) for one in items(thing, "endpoints") for address in items(one, "addresses")
    ]
    return [
        name_of(thing),
        text(thing, "addressType"),
        shortened(ports, _SHOWN, UNSET),
        shortened(addresses, _SHOWN, UNSET),
        age_of(thing, now),
    ]


def _slice_port(port: object) -> str:
    number, name = at(port, "port"), at(port, "name")
    if number is not None:
        return str(number)
    return "*" if name is None else str(name)


SERVICE = Printer(
    (
        NAME,
        Column("Type", "How it can be reached."),
        Column("Cluster-IP", "Its address inside the cluster."),
        Column("External-IP", "Its addresses outside the cluster."),
        Column("Port(s)", "Its ports."),
        AGE,
        wide("Selector", "Which pods stand behind it."),
    ),
    _service,
)
ENDPOINTS = Printer(
    (NAME, Column("Endpoints", "Addresses and ports behind the service."), AGE), _endpoints
)
ENDPOINT_SLICE = Printer(
    (
        NAME,
        Column("AddressType", "IPv4, IPv6 or FQDN."),
        Column("Ports", "The ports of each endpoint."),
        Column("Endpoints", "The addresses."),
        AGE,
    ),
    _endpoint_slice,
)


def _network_policy(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    selector = formatted_selector(at(thing, "spec.podSelector"))
    return [name_of(thing), selector, age_of(thing, now)]


NETWORK_POLICY = Printer(
    (NAME, Column("Pod-Selector", "The pods that it is about."), AGE), _network_policy
)
