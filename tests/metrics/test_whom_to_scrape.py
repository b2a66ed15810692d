"""Where a node's kubelet is dialled, by metrics-server's flags; and whose authority is believed."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubevouch.kube.resources import Node
from kubevouch.metrics.collector import RootsFile
from kubevouch.metrics.fleet import fleet_node
from kubevouch.metrics.scraping import ScrapeSettings
from kubevouch.x509 import X509Error
from tests.support.authority import Authority
from tests.support.clocks import WoundClock

ADDRESSES = [
    {"type": "InternalIP", "address": "10.0.0.5"},
    {"type": "InternalIP", "address": "fd00::5"},
    {"type": "Hostname", "address": "n1"},
    {"type": "ExternalDNS", "address": "n1.example.com"},
]


def node(**status: Any) -> Node:
    whole = {
        "metadata": {"name": "n1", "labels": {"a": "b"}},
        "status": {"addresses": ADDRESSES, **status},
    }
    return msgspec.convert(whole, Node)


@pytest.mark.parametrize(
    ("types", "address"),
    [
        (("Hostname", "InternalIP"), "n1"),
        (("InternalIP", "Hostname"), "10.0.0.5"),
        (("ExternalIP", "ExternalDNS"), "n1.example.com"),
        (("InternalDNS",), ""),
        ((), ""),
    ],
)
def test_the_first_address_of_the_first_type_is_dialled(
    types: tuple[str, ...], address: str
) -> None:
    assert fleet_node(node(), ScrapeSettings(address_types=types)).address == address


@pytest.mark.parametrize(
    ("use", "told", "port"), [(False, 10350, 10250), (True, 10350, 10350), (True, 0, 10250)]
)
def test_the_port_of_the_status_counts_if_it_is_to(*, use: bool, told: int, port: int) -> None:
    status = {"daemonEndpoints": {"kubeletEndpoint": {"Port": told}}}
    assert fleet_node(node(**status), ScrapeSettings(use_status_port=use)).port == port


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        ([{"type": "Ready", "status": "True"}], True),
        ([{"type": "Ready", "status": "Unknown"}], False),
        ([{"type": "Ready", "status": "False"}, {"type": "DiskPressure", "status": "True"}], False),
        ([], False),
    ],
)
def test_a_node_without_the_condition_is_not_ready(
    conditions: list[dict[str, str]], *, ready: bool
) -> None:
    assert fleet_node(node(conditions=conditions), ScrapeSettings()).ready is ready


def test_the_rest_of_a_node_is_taken_as_it_is() -> None:
    found = fleet_node(node(), ScrapeSettings(port=10251))
    assert (found.name, dict(found.labels), found.port) == ("n1", {"a": "b"}, 10251)
    assert found.path == "/metrics/resource"


def test_a_bundle_is_read_again_once_a_minute_and_a_bad_one_replaces_none(
    tmp_path: Path,
) -> None:
    clock, file = WoundClock(), tmp_path / "ca.crt"
    first, second = Authority("one"), Authority("two")
    file.write_bytes(first.pem)
    reported: list[str] = []
    roots = RootsFile(file.read_bytes, clock, report=reported.append)
    held = roots()
    file.write_bytes(second.pem)
    assert roots() is held
    clock.wind(timedelta(seconds=60))
    assert roots().pem == second.pem
    held = roots()
    clock.wind(timedelta(seconds=60))
    # Nothing has changed: connections made with it stay.
    assert roots() is held
    assert reported == []
    for number, bad in enumerate(
        (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    ):
        file.write_bytes(bad)
        for _ in range(2):
            clock.wind(timedelta(seconds=60))
            assert roots() is held
        assert len(reported) == number + 1
    file.unlink()
    clock.wind(timedelta(seconds=60))
    assert roots() is held
    assert "No such file" in reported[-1]
    # It is good again, and then as bad as before: that is told anew.
    for content in (second.pem, b""):
        file.write_bytes(content)
        clock.wind(timedelta(seconds=60))
        assert roots() is held
    assert len(reported) == 4


def test_without_any_authority_there_is_no_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        RootsFile((tmp_path / "none").read_bytes, WoundClock())
    with pytest.raises(X509Error):
        RootsFile(lambda: b"", WoundClock())
