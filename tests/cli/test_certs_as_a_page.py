"""`certs -o html`: one page that needs nothing else, with everything in it, whatever it is called."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundCertificates,
    NotRead,
)
from kubevouch.evidence.measured import Doubt, DoubtKind, Vantage
from tests.inventory.found import AT, DAY, at_node, inventory
from tests.inventory.pages import ReadPage, shows

USE = CertificateUse


def _shown(found: FoundCertificates, form: str = "html") -> str:
    return shows(found, form, cluster="https://api.prod.example.com:6443")[0]


def _on_disk(use: CertificateUse, ends: timedelta | None) -> FoundCertificate:
    where, there = f"/etc/kubernetes/{use}", Vantage.NODE_DISK
    return at_node("cp-1", ends, missing=ends is None, use=use, where=where, vantage=there, ca="ca")


DOUBT = NotRead(
    "etcd of cp-1", Doubt(DoubtKind.FAILED, "dial tcp 10.7.0.1:2379: i/o timeout"), "cp-1"
)
WHOLE = FoundCertificates(
    AT,
    (
        *(at_node(f"worker-{number}", (number % 15 - 3) * 20 * DAY) for number in range(80)),
        at_node("dead", None),
        _on_disk(USE.API_SERVER, 20 * DAY),
        _on_disk(USE.SUPER_ADMIN_CONF, None),
        _on_disk(USE.CLUSTER_CA, 300 * DAY),
        at_node("", 61 * DAY, use=USE.WEBHOOK, where="validatingwebhook hook"),
    ),
    (DOUBT,),
)


def test_the_page_needs_nothing_else() -> None:
    page = ReadPage(_shown(WHOLE))
    assert {"script", "link", "img", "iframe", "object", "a", "base", "form"} & page.names == set()
    policies = [
        attributes["content"]
        for _, attributes in page.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    for _, attributes in page.elements:
        assert not {"src", "href", "srcset", "action"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
    style = re.search(r"<style>(.*?)</style>", _shown(WHOLE), re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert "prefers-color-scheme:dark" in style[1]
    assert "@media print" in style[1]


def test_everything_is_on_it() -> None:
    text = ReadPage(_shown(WHOLE)).text
    for each in (
        "Ended",
        "kubevouch doctor",
        "kubectl top and autoscaling lose this node",
        "kubeadm certs check-expiration",
        "!MISSING! super-admin.conf",
        "validatingwebhook hook",
        "dial tcp 10.7.0.1:2379: i/o timeout",
        "https://api.prod.example.com:6443",
    ):
        assert each in text, each


def test_an_end_is_a_dot_and_an_authority_a_picture() -> None:
    page = ReadPage(_shown(inventory(at_node("a"), at_node("b", 50 * DAY), at_node("c", None))))
    assert sum(tag == "circle" for tag, _ in page.elements) == 2
    assert sum(tag == "svg" for tag, _ in page.elements) == 2


@pytest.mark.parametrize("found", [inventory(), inventory(at_node("a", None))])
def test_with_nothing_to_draw_there_is_a_page_all_the_same(found: FoundCertificates) -> None:
    assert "What matters most" in ReadPage(_shown(found)).text


HOSTILE = (
    '"><script>alert(1)</script>',
    "</style><svg onload=alert(1)>",
    "'onmouseover='alert(1)",
    "&lt;b&gt;",
    "]]>-->",
    "a\nb\x1b[2J\u202e\x00",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name: str) -> None:
    plain = inventory(at_node("n"), _on_disk(USE.API_SERVER, DAY))
    found = FoundCertificates(
        AT,
        (
            at_node(name, fault=name, where=name),
            replace(_on_disk(USE.API_SERVER, DAY), node=name, ca=name),
            at_node(name, None),
        ),
        (NotRead(name, Doubt(DoubtKind.FAILED, name)),),
    )
    shown = _shown(found)
    page = ReadPage(shown)
    assert page.names - ReadPage(_shown(plain)).names <= {"ul", "li"}
    assert not any(key.startswith("on") for _, attributes in page.elements for key in attributes)
    assert all(each.isprintable() or each == "\n" for each in shown)
    assert name.partition("\n")[0] in page.text


@pytest.mark.parametrize("form", ["html", "short"])
def test_what_was_not_read_is_not_called_well(form: str) -> None:
    well = FoundCertificates(AT, (at_node("n", 100 * DAY),), (DOUBT,))
    text = _shown(well, form)
    assert "i/o timeout" in text
    assert 'class="word good"' not in text
    assert ("were not read may have expired" in text) is (form == "html")


def test_a_tile_counts_what_the_page_lists() -> None:
    """super-admin.conf may be missing: it is not called good for that. A worker without kubeadm's files is as it should be."""
    none = NotRead(
        "kubeadm's certificates of w-1",
        Doubt(DoubtKind.NOT_ASKED, "a worker has none"),
        "w-1",
        is_not_missed=True,
    )
    found = FoundCertificates(AT, WHOLE.found, (DOUBT, none))
    shown = _shown(found)
    listed = shown.partition("<h2>Not read</h2>")[2].partition("</section>")[0].count("<li>")
    assert f"<b>{listed}</b>not read" in shown
    assert listed == 1
    *counted, unread = map(int, re.findall(r"<b>(\d+)</b>", shown))
    assert unread == listed
    assert sum(counted) == len(found.found) - 1, "all but super-admin.conf"
