"""`certs` for a person: it fits, what matters most is first and last, and every form has the same exit code."""

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kubevouch.cli.certs.render import print_rows
from kubevouch.cli.common.invocation import Invocation
from kubevouch.cli.common.terminal import Terminal
from kubevouch.errors import ExitCode
from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundCertificates,
    NotRead,
)
from kubevouch.evidence.measured import Doubt, DoubtKind, Vantage
from kubevouch.inventory.rows import LifeLimit, Limits
from kubevouch.tls import FailureKind
from tests.cli.program import Program
from tests.inventory.found import AT, DAY, YEAR, at_node, inventory
from tests.inventory.pages import shows
from tests.support.stage import Stage

FORMS = ("table", "wide", "short", "json", "prometheus")


def _nodes(count: int) -> list[FoundCertificate]:
    return [
        at_node(f"k8s-worker-{number}.internal.example.com", (100 + number % 90) * DAY)
        for number in range(count)
    ]


USE, NODE, DISK = CertificateUse, "k8s-master.internal.example.com", Vantage.NODE_DISK
WHERE = "ConfigMap kube-system/kube-root-ca.crt"
CA = at_node("", 3000 * DAY, life=10 * YEAR, use=USE.CLUSTER_CA, where=WHERE)
CLUSTERS = {
    "well": inventory(*_nodes(4), CA),
    "ended": inventory(*_nodes(3), at_node("k8s-worker-9.internal.example.com", -DAY), CA),
    "fleet": inventory(*_nodes(300), at_node("odd.internal.example.com", None), CA),
    "empty": inventory(),
    "disk": inventory(
        *(
            at_node(NODE, days * DAY, use=use, vantage=DISK, ca="ca")
            for days, use in ((20, USE.API_SERVER), (300, USE.ADMIN_CONF), (350, USE.CLUSTER_CA))
        ),
        at_node(NODE, None, use=USE.SUPER_ADMIN_CONF, missing=True, vantage=DISK),
    ),
}


@pytest.mark.parametrize("columns", [60, 72, 80, 100, 132, 200])
@pytest.mark.parametrize("cluster", CLUSTERS)
def test_it_fits_a_terminal(cluster: str, columns: int) -> None:
    shown, _ = shows(CLUSTERS[cluster], columns=columns)
    for line in shown.splitlines():
        assert len(line) <= columns, line
        assert line == line.rstrip()


def test_a_kubelets_client_certificate_that_only_its_csr_shows_says_so() -> None:
    """The file on its disk may be another: a kubelet that was away for a year has an older one."""
    here: dict[str, Any] = {
        "use": USE.KUBELET_CLIENT,
        "vantage": Vantage.API_SERVER,
        "where": "csr csr-abcde",
    }
    issued = at_node(NODE, **here)
    shown, _ = shows(inventory(issued, CA))
    assert f"{NODE}, by csr csr-abcde   " in shown
    on_disk = replace(issued, vantage=DISK, where="/var/lib/kubelet/pki/x.pem")
    assert "/var/lib/kubelet" not in shows(inventory(on_disk, CA))[0]


def test_a_fleet_fits_a_screen_and_wide_has_every_row() -> None:
    assert len(shows(CLUSTERS["fleet"], columns=132)[0].splitlines()) < 36
    wide, _ = shows(CLUSTERS["fleet"], "wide")
    assert len(wide.splitlines()) == 303
    assert all(each.node in wide for each in CLUSTERS["fleet"].found)


def test_wide_is_a_line_for_each_however_narrow_the_terminal_and_says_what_is_wrong() -> None:
    odd = at_node("odd.internal.example.com", None)
    shown, _ = shows(inventory(*_nodes(3), odd, CA), "wide", columns=120)
    heading, *lines = shown.splitlines()
    assert len(lines) == 5
    assert " REMARKS " in heading
    [line] = [each for each in lines if odd.node in each]
    assert "connection refused" in line[heading.index("REMARKS") :]


def test_kubeadms_tables_are_kubeadms_where_they_fit_and_folded_where_they_do_not() -> None:
    wide, narrow = (shows(CLUSTERS["disk"], columns=each)[0] for each in (132, 60))
    heading = "CERTIFICATE   "
    assert "RESIDUAL TIME   CERTIFICATE AUTHORITY   EXTERNALLY MANAGED" in wide
    assert "!MISSING! super-admin.conf" in wide
    assert heading in narrow
    assert "RESIDUAL TIME   CERTIFICATE AUTHORITY   EXTERNALLY MANAGED" not in narrow


@pytest.mark.parametrize("form", ["table", "wide", "short", "json", "yaml", "prometheus", "html"])
def test_within_shows_what_ends_by_then_and_what_fails_in_every_form(form: str) -> None:
    soon, dark = at_node("soon.example.com", 20 * DAY), at_node("dark.example.com", None)
    found = inventory(*_nodes(2), soon, dark)
    shown, code = shows(found, form, within=LifeLimit(90 * DAY))
    assert "soon" in shown and "dark" in shown and "k8s-worker" not in shown
    assert code == shows(found, form)[1]


def _failed(kind: DoubtKind) -> FoundCertificates:
    doubt = NotRead("webhooks", Doubt(kind, "webhooks are forbidden"))
    return FoundCertificates(AT, CLUSTERS["well"].found, (doubt,))


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (
            CLUSTERS["ended"],
            [
                "ENDED       kubelet-serving of k8s-worker-9, 24 hours ago",
                "STOPS       kubectl top",
                "NEXT        kubevouch doctor",
            ],
        ),
        (CLUSTERS["well"], ["FIRST       kubelet-serving of k8s-worker-0 ends in", "OK  "]),
        (
            replace(_failed(DoubtKind.FAILED), found=(at_node("n", 5 * DAY),)),
            ["ENDS SOON ", "UNKNOWN ", "NEXT        kubevouch doctor"],
        ),
        (_failed(DoubtKind.NOT_ALLOWED), ["UNKNOWN ", "NEXT        kubevouch doctor --print-role"]),
        (_failed(DoubtKind.OUT_OF_REACH), ["FIRST ", "OK  "]),
    ],
)
def test_what_matters_most_is_last_with_what_to_do(
    found: FoundCertificates, lines: list[str]
) -> None:
    shown = shows(found, columns=200)[0].splitlines()
    assert shown[-1].startswith(lines[-1])
    for line in lines:
        assert any(each.startswith(line) for each in shown[-5:]), shown
    assert ("UNKNOWN " in lines) is any(each.startswith("UNKNOWN ") for each in shown)


def test_a_hostile_path_stays_one_label() -> None:
    path = "/a\nkubevouch 1\x1b[2J"
    found = inventory(at_node("", use=USE.KUBECONFIG, where=path))
    shown, _ = shows(found, "prometheus")
    series = [s for f in text_string_to_metric_families(shown) for s in f.samples]
    assert {each.labels["where"] for each in series} == {"/a\\nkubevouch 1\\x1b[2J"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("found", "code"),
    [
        (CLUSTERS["well"], ExitCode.OK),
        (CLUSTERS["ended"], ExitCode.FINDINGS),
        (CLUSTERS["fleet"], ExitCode.FINDINGS),
        (_failed(DoubtKind.NOT_ALLOWED), ExitCode.COULD_NOT_TELL),
        (_failed(DoubtKind.FAILED), ExitCode.COULD_NOT_TELL),
        (_failed(DoubtKind.NOT_ASKED), ExitCode.OK),
        (_failed(DoubtKind.OUT_OF_REACH), ExitCode.OK),
        (inventory(at_node("n", 5 * DAY)), ExitCode.OK),
    ],
)
def test_the_exit_code_is_the_same_in_every_form(
    found: FoundCertificates, code: ExitCode, form: str
) -> None:
    assert shows(found, form)[1] == code


def test_where_ssh_has_failed_next_leads_to_ssh_and_then_back_to_the_same_question() -> None:
    """`doctor` looks at no disk: it would say that all is well."""
    doubt = Doubt(DoubtKind.FAILED, "Connection closed by UNKNOWN port 65535")
    unread = NotRead("the disk of k8s-worker-1", doubt, "k8s-worker-1")
    found = FoundCertificates(AT, CLUSTERS["well"].found, (unread,), asked_disks=True)
    out = io.StringIO()
    terminal = Terminal(None, out, None, {})
    given = (("--context", "lab"), ("--via", "ssh"), ("--ssh-config", "other"))
    terminal.invocation = Invocation("kubevouch", given, verb="certs")
    assert print_rows(terminal, found, "table", Limits()) == ExitCode.COULD_NOT_TELL
    assert out.getvalue().splitlines()[-2:] == [
        "BEFORE      make ssh and sudo work on the nodes that could not be read",
        "NEXT        kubevouch certs --via ssh --context lab --ssh-config other",
    ]
    page, _ = shows(found, "html")
    assert "kubevouch certs --via ssh" in page.partition("Before: ")[2]


def test_the_short_form_has_a_line_for_each_row_that_reaches_a_limit_and_says_why() -> None:
    assert shows(CLUSTERS["well"], "short")[0] == ""
    why = "remote error: tls: internal error"
    dark = at_node("d", None, fault=why, failure=FailureKind.ALERT)
    old, soon = at_node("a", -DAY), at_node("b", 5 * DAY)
    shown, _ = shows(inventory(old, soon, at_node("c"), dark, at_node("e", None)), "short")
    expected = (
        "fail  kubelet-serving of d: not served: remote error: tls: internal error",
        "fail  kubelet-serving of e: no answer: connection refused",
        "fail  kubelet-serving of a: ended",
        "warn  kubelet-serving of b: ends soon",
    )
    lines = shown.splitlines()
    assert len(lines) == len(expected)
    assert all(map(str.startswith, lines, expected)), lines
    assert "!NOT SERVED!" in shows(inventory(dark), columns=100)[0]


@pytest.mark.parametrize(("kinds", "more"), [(5, "1 more problem "), (6, "2 more problems ")])
def test_what_is_left_out_at_the_end_is_counted(kinds: int, more: str) -> None:
    uses = (
        USE.API_SERVER,
        USE.ADMIN_CONF,
        USE.SCHEDULER_CONF,
        USE.ETCD_SERVER,
        USE.ETCD_PEER,
        USE.CONTROLLER_MANAGER_CONF,
    )
    shown, _ = shows(inventory(*(at_node("cp", -DAY, use=use) for use in uses[:kinds])))
    assert f"and {more}" in shown
    assert "admin.conf" not in shown.partition("\nENDED ")[2]


def _denied(use: CertificateUse) -> NotRead:
    where = f"/etc/kubernetes/pki/{use}.crt"
    lacks = at_node(NODE, None, use=use, where=where, vantage=DISK, fault="")
    doubt = Doubt(DoubtKind.NOT_ALLOWED, "permission denied; try as root")
    return NotRead(f"{use}, {where}", doubt, NODE, lacks=lacks)


@pytest.mark.parametrize("columns", [70, 200])
def test_a_file_that_we_may_not_read_has_its_row_all_the_same(columns: int) -> None:
    """It may be the one that ends tomorrow. To fail is for what is known to be wrong, though."""
    unread = tuple(map(_denied, (USE.API_SERVER, USE.KUBELET_CLIENT)))
    (admin,) = (each for each in CLUSTERS["disk"].found if each.use is USE.ADMIN_CONF)
    unsure = replace(admin, externally_managed=None)
    found = FoundCertificates(AT, (unsure,), unread, without_cluster=True)
    shown, code = shows(found, columns=columns)
    assert code == ExitCode.COULD_NOT_TELL
    tables, _, rest = shown.partition("certificates that kubeadm does not show")
    assert "!NOT READ!" in tables
    assert columns < 200 or "not known" in tables, "whether it is managed elsewhere"
    others, _, stops = rest.partition("what stops when a certificate expires")
    assert "!NOT" in others
    assert stops.splitlines()[2].startswith("apiserver ")
    assert stops.splitlines()[2].split("   ")[1].strip() in {"", "unknown: not read"}
    assert "kubeadm's files (" not in shown
    page, _ = shows(found, "html")
    assert "!NOT READ! apiserver" in page
    assert "unknown: not read" in page
    wide = shows(found, "wide")[0].splitlines()
    assert sum("not read" in line and "permission denied" in line for line in wide) == 2
    document = json.loads(shows(found, "json")[0])
    assert document["certificates"][0]["externallyManaged"] is None
    assert document["counts"] == {"fail": 0, "warn": 0, "ok": 1}


def test_json_has_every_row_and_how_it_stands() -> None:
    document = json.loads(shows(CLUSTERS["ended"], "json")[0])
    assert document["schemaVersion"] == "kubevouch.certs/1"
    assert document["counts"] == {"fail": 1, "warn": 0, "ok": 4}
    assert [each["concern"] for each in document["certificates"]].count("fail") == 1


@pytest.mark.parametrize("case", ["expired"])
async def test_at_a_cluster_it_names_the_four_that_have_ended(
    kubevouch: Program, stage: Stage
) -> None:
    assert len(stage.kubelets) == 4
    table, short, later = await kubevouch.several(
        ("certs",), ("certs", "-o", "short"), ("certs", "--fail-on", "x")
    )
    assert (table.code, short.code, later.code) == (1, 1, 2)
    assert "NEXT        kubevouch doctor" in table.out
    assert len(short.out.splitlines()) == table.out.count("<invalid>") > 0
    assert "certs --fail-on: expected a time such as 30d" in later.err
