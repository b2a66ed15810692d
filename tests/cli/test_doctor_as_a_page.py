"""`doctor -o html` and `doctor --redact`: the same findings, in the frame of the page of `certs`."""

import io
import json
import re

import pytest

from kubevouch.cli.common.diagnosis import print_diagnosis
from kubevouch.cli.common.redacting import redaction_of
from kubevouch.cli.common.terminal import Terminal
from kubevouch.diagnose.catalogue import Severity
from kubevouch.diagnose.doctor import diagnose
from kubevouch.inventory.redaction import Replaced
from tests.cli.program import Program
from tests.diagnose.cases import snapshot
from tests.inventory.pages import ReadPage
from tests.support.stage import Stage

SHOWN = [
    "expired",
    "pending",
    "request-for-another-nodes-address",
    "address-type-mismatch",
    "not-allowed-to-do-anything",
    "kubelet-down",
]


async def _shown(name: str, form: str, *, redact: bool = False) -> str:
    evidence = await snapshot(name)
    out = io.StringIO()
    terminal = Terminal(None, out, None, {})
    if redact:
        more = [(Replaced.CLUSTER, evidence.cluster.context)]
        terminal.redaction = redaction_of(evidence, more)
    print_diagnosis(
        terminal, "doctor", evidence, diagnose(evidence), form=form, fail_on=Severity.ERROR
    )
    return out.getvalue()


@pytest.mark.parametrize("name", SHOWN)
async def test_every_finding_of_every_case_is_on_the_page(name: str) -> None:
    document = json.loads(await _shown(name, "json"))
    page = ReadPage(await _shown(name, "html"))
    assert {"script", "link", "img"} & page.names == set()
    for finding in document["findings"]:
        assert f"{finding['severity']} {finding['code']}" in page.texts
        assert finding["title"] in page.text
    if document["cause"]:
        assert document["cause"]["text"] in page.text
        assert document["cause"]["next"] in page.texts
    for kubelet in document["kubelets"]:
        assert kubelet["node"] in page.text


@pytest.mark.parametrize("form", ["table", "short", "json", "html"])
@pytest.mark.parametrize("name", SHOWN)
async def test_redacted_no_node_and_no_address_is_left(name: str, form: str) -> None:
    evidence = await snapshot(name)
    shown = await _shown(name, form, redact=True)
    nodes = {node.name for node in evidence.nodes.or_else(())}
    for secret in {part for node in nodes for part in (node, node.partition(".")[0])}:
        assert not re.search(rf"(?<![a-z0-9]){re.escape(secret)}(?![a-z0-9])", shown), secret
    addresses = set(re.findall(r"\d+\.\d+\.\d+\.\d+", shown)) - {"127.0.0.1"}
    assert addresses == set()


async def test_the_program_has_both_options(kubevouch: Program, stage: Stage) -> None:
    plain, redacted = await kubevouch.several(
        ("doctor", "-o", "html"), ("doctor", "-o", "html", "--redact")
    )
    assert plain.code == redacted.code == 1
    assert all(node in plain.out and node not in redacted.out for node in stage.kubelets)
