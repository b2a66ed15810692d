"""`certs -o html`: one page that needs nothing else, with everything in it, whatever it is called; and --redact."""

import io
import re
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest

from kubevouch.cli.certs.render import print_rows
from kubevouch.cli.common.invocation import Invocation
from kubevouch.cli.common.redacting import names_of_access
from kubevouch.cli.common.terminal import Terminal
from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundCertificates,
    NotRead,
)
from kubevouch.evidence.measured import Doubt, DoubtKind, Vantage
from kubevouch.inventory.limits import Limits
from kubevouch.inventory.redaction import Redaction, Replaced
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.kubeconfig import User
from kubevouch.x509 import read_certificates
from tests.cli.program import Program
from tests.inventory.found import AT, AUTHORITIES, DAY, YEAR, at_node, inventory
from tests.inventory.pages import ReadPage
from tests.support.authority import Authority
from tests.support.stage import Stage

USE = CertificateUse
FORMS = ("table", "wide", "short", "json", "prometheus", "ics", "html")


def _shown(found: FoundCertificates, form: str = "html", redaction: Redaction | None = None) -> str:
    out = io.StringIO()
    terminal = Terminal(None, out, None, {})
    if redaction is not None:
        terminal.redaction = redaction
    print_rows(terminal, found, form, Limits(), cluster="https://api.prod.example.com:6443")
    return out.getvalue()


def _on_disk(use: CertificateUse, ends: timedelta | None) -> FoundCertificate:
    found = at_node("cp-1", ends, use=use, where=f"/etc/kubernetes/{use}", missing=ends is None)
    return replace(found, vantage=Vantage.NODE_DISK, ca="ca")


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
            replace(at_node(name), fault=name, where=name),
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


NODES = ("k8s-master.internal.example.com", "k8s-worker-1.internal.example.com", "w2", "node-1")
ADDRESSES = ("10.7.0.1", "10.7.0.2", "fd00:7::a", "192.168.9.9")
COMPANY = Authority("Acme, Inc.", "Widgets + Co")
SECRETS = (
    "Acme",
    "Inc.",
    "Widgets",
    *NODES,
    *ADDRESSES,
    "internal.example.com",
    "k8s-master",
    "api.prod.example.com",
    "prod",
)


def _secret_inventory() -> FoundCertificates:
    found = []
    for number, node in enumerate(NODES):
        pair = (COMPANY if number else AUTHORITIES["kubernetes"]).serving(
            node,
            ADDRESSES[number],
            node=node,
            not_before=AT - YEAR,
            not_after=AT + number * DAY - DAY,
        )
        chain = read_certificates(pair.chain, "test")
        address = f"[{ADDRESSES[number]}]" if ":" in ADDRESSES[number] else ADDRESSES[number]
        fault = f"x509: certificate is valid for {ADDRESSES[0]}, not {address}. See {node}."
        found.append(
            FoundCertificate(
                USE.KUBELET_SERVING, f"{address}:10250", Vantage.DIALLED, AT, node, chain, fault
            )
        )
    doubt = Doubt(
        DoubtKind.FAILED, f"Get https://api.prod.example.com:6443: dial tcp {ADDRESSES[3]}:6443"
    )
    return FoundCertificates(AT, tuple(found), (NotRead(f"etcd of {NODES[0]}", doubt, NODES[0]),))


@pytest.mark.parametrize("form", FORMS)
def test_redacted_no_name_and_no_address_is_left_in_any_form(form: str) -> None:
    found = _secret_inventory()
    plain = _shown(found, form)
    assert any(each in plain for each in SECRETS[3:])
    more = [(Replaced.CLUSTER, "admin@prod"), (Replaced.HOST, "api.prod.example.com")]
    shown = _shown(found, form, Redaction.of(found, more)).replace("\r\n ", "")
    shown = re.sub(r"<style>.*?</style>", "", shown, flags=re.DOTALL)
    for secret in SECRETS:
        if secret not in {"node-1", "prod"}:
            assert secret not in shown, secret
    for text in re.findall(r"[0-9a-fA-F:.]{4,}", shown):
        with pytest.raises(ValueError, match="does not appear"):
            ip_address(text.strip(".:"))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("use", "where"),
    [
        (USE.CA_BUNDLE, "apiservice v1.checkout.shop.example"),
        (USE.CA_BUNDLE, "validatingwebhookconfiguration checkout"),
        (USE.TLS_SECRET, "secret shop/checkout"),
        (USE.WEBHOOK, "10.7.0.9:443 (validatingwebhookconfiguration checkout)"),
    ],
)
def test_redacted_no_form_names_what_ends_first(form: str, use: CertificateUse, where: str) -> None:
    first = replace(at_node("", DAY, use=use, where=where), fault="not checkout.shop.svc")
    no_service = Doubt(DoubtKind.NOT_ASKED, "there is no Service shop/checkout")
    found = FoundCertificates(
        AT, (first, at_node("w-1")), (NotRead(f"what {where} serves", no_service),)
    )
    assert "checkout" in _shown(found, form).replace("\r\n ", "")
    assert "checkout" not in _shown(found, form, Redaction.of(found)).replace("\r\n ", "")


@pytest.mark.parametrize("columns", [60, 70, 80, 110, 140])
def test_folded_a_table_has_the_same_words_instead(columns: int) -> None:
    where = 'cluster: users["kubernetes-admin"].user.client-certificate'
    found = inventory(at_node("", use=USE.KUBECONFIG, where=where), at_node("w-1"))
    out = io.StringIO()
    terminal = Terminal(None, out, None, {"COLUMNS": str(columns)})
    terminal.redaction = Redaction.of(found)
    print_rows(terminal, found, "table", Limits())
    assert "kubernetes-" in out.getvalue()
    assert 'users["object-' not in out.getvalue()


def test_the_same_name_is_replaced_by_the_same_word_everywhere() -> None:
    found = _secret_inventory()
    redaction = Redaction.of(found)
    assert redaction("k8s-worker-1.internal.example.com") == redaction("K8S-WORKER-1")
    assert redaction("system:node:w2") == f"system:node:{redaction('w2')}"
    assert redaction("10.7.0.1:10250, 10.7.0.1.") == "address-1:10250, address-1."
    assert redaction("[fd00:7::a]:10250") == f"[{redaction('fd00:07:0::a')}]:10250"
    assert len({redaction(each) for each in (*NODES, *ADDRESSES)}) == len(NODES) + len(ADDRESSES)


def test_a_name_is_found_among_other_pieces_and_never_inside_of_one() -> None:
    redaction = Redaction([(Replaced.NODE, "w2"), (Replaced.NODE, "w2.a.example.com")])
    host = redaction("w2")
    assert redaction("w2-ca@175930, CN=w2,O=w2;x-w2.") == f"{host}-ca@175930, CN={host},O=object-1"
    assert redaction("w2.a.example.com:10250 b.a.example.com") == "node-2:10250 b.domain-1"
    assert redaction("w22 ww2 w2x") == "w22 ww2 w2x"


def test_words_of_ours_in_the_command_line_stay() -> None:
    terminal = Terminal(None, io.StringIO(), None, {})
    terminal.invocation = Invocation(
        given=(("--via", "ssh"), ("--ssh-user", "root"), ("--ssh-config", "/home/me/ssh"))
    )
    access = ClusterAccess(
        context="prod",
        where="",
        cluster="",
        server="https://10.0.0.1",
        user=User(where=""),
        namespace="",
    )
    redaction = Redaction(names_of_access(terminal, access))
    assert redaction("--via ssh --ssh-user root --ssh-config /home/me/ssh --context prod") == (
        "--via ssh --ssh-user root --ssh-config file-1 --context cluster-1"
    )


def test_a_name_of_an_odd_form_is_found_too() -> None:
    redaction = Redaction([(Replaced.CLUSTER, "admin@prod"), (Replaced.FILE, "/home/me/k8s.yaml")])
    assert redaction("--context admin@prod --kubeconfig /home/me/k8s.yaml") == (
        "--context cluster-1 --kubeconfig file-1"
    )


def test_a_node_that_bears_such_a_word_already_is_not_mixed_up() -> None:
    redaction = Redaction([(Replaced.NODE, "b"), (Replaced.NODE, "node-1")])
    words = redaction("b node-1")
    assert len(set(words.split())) == 2
    assert "node-1" not in words
    assert redaction(words) == words


@pytest.mark.parametrize(
    "kept",
    [
        "x509: certificate has expired or is not yet valid: current time 2026-11-26T09:34:00Z",
        "v1.36.3 127.0.0.1 ::1 kubernetes.default.svc localhost",
        "sha256 ae9bca3deb5c94fe3debb201968585c6 11:22:33:44",
        "kubectl top and autoscaling lose this node; dead-beef::",
    ],
)
def test_what_is_no_name_and_no_address_stays(kept: str) -> None:
    assert Redaction([(Replaced.NODE, "w2")])(kept) == kept


async def test_at_a_cluster_the_redacted_page_names_nothing(
    kubevouch: Program, stage: Stage
) -> None:
    html, table = await kubevouch.several(
        ("certs", "--redact", "-o", "html"), ("certs", "--redact", "--context", "story")
    )
    assert (html.code, table.code) == (1, 1)
    for shown in (html.out, table.out):
        for node in stage.kubelets:
            assert node not in shown
        assert not re.search(r"\b127\.0\.\d+\.(?!1\b)\d+", shown)
        assert "node-1" in shown
    assert "story" not in table.out


@pytest.mark.parametrize("form", ["html", "short"])
def test_what_was_not_read_is_not_called_well(form: str) -> None:
    well = FoundCertificates(AT, (at_node("n", 100 * DAY),), (DOUBT,))
    text = _shown(well, form)
    assert "i/o timeout" in text
    assert 'class="word good"' not in text
    assert ("may have ended, too" in text) is (form == "html")


def test_a_tile_counts_what_the_page_lists() -> None:
    """super-admin.conf may be missing: it is not called good for that. A worker without kubeadm's files is as it should be."""
    none = NotRead(
        "kubeadm's certificates of w-1",
        Doubt(DoubtKind.NOT_ASKED, "a worker has none"),
        "w-1",
        is_not_missed=True,
    )
    found = FoundCertificates(AT, WHOLE.found, (DOUBT, none))
    page = ReadPage(_shown(found))
    shown = _shown(found)
    listed = shown.partition("<h2>Not read</h2>")[2].partition("</section>")[0].count("<li>")
    assert f"<b>{listed}</b>not read" in shown
    assert listed == 1
    assert "Not there, and not missed" in page.text
    *counted, unread = map(int, re.findall(r"<b>(\d+)</b>", shown))
    assert unread == listed
    assert sum(counted) == len(found.found) - 1, "all but super-admin.conf"
