"""Files, ConfigMaps and Leases that 0.1.0 wrote (tests/fixtures/written-by-0.1.0) are read by every later version."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from kubevouch.cli.approver.pin_change import read_former_pins
from kubevouch.cli.common.runs import kept_plan, read_plan, times_of
from kubevouch.evidence.run_holder import ARMED, ArmedNode, seen_in
from kubevouch.kube.resources import Lease
from kubevouch.policy.sources.configuration import ApproverConfiguration, read_configuration
from kubevouch.policy.sources.nodes import (
    PinnedNode,
    RecordedNode,
    read_pin,
    read_pins,
    read_recorded,
)
from kubevouch.rollout.decide.run_status import NodeState, statuses_of
from tests.rollout.conftest import Machine
from tests.rollout.test_where_runs_stand import status_of

WRITTEN = Path(__file__).parent.parent / "fixtures" / "written-by-0.1.0"
RUN = "7968f4c8"
WORKER_1, WORKER_3 = (f"k8s-worker-{n}.internal.example.com" for n in (1, 3))
UID = "040d7785-6341-443e-adfb-e4534cfff009"
CERTIFICATE = "b50358dbefb47dd40d43af90ee82ff895710bec80006585aff4e5588fae88cc7"


def data_of(name: str) -> dict[str, str]:
    held: dict[str, dict[str, str]] = json.loads((WRITTEN / f"{name}.json").read_text())
    return held["data"]


def test_a_plan_and_the_timeouts_of_its_run(tmp_path: Path) -> None:
    plan = read_plan(WRITTEN / "plan.json")
    assert (plan.run, plan.made_by, plan.via, len(plan.nodes)) == (RUN, "0.1.0", "ssh", 4)
    assert {each.change for each in plan.nodes} == {"bootstrap"}
    assert plan.config_map is not None
    runs = tmp_path / "kubevouch" / "runs"
    runs.mkdir(parents=True)
    shutil.copy(WRITTEN / "plan.json", runs / f"{RUN}.json")
    (runs / f"{RUN}.options").write_text('{"gates":300.0,"soak":5.0}')
    assert (WRITTEN / "run.options").read_text() == '{"gates":180.0,"soak":60.0}'
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    assert kept_plan(RUN, environment) == plan
    assert (times_of(RUN, environment).gates, times_of(RUN, environment).soak) == (300, 5)


async def test_what_a_run_has_left_on_a_node(machine: Machine) -> None:
    folder = machine.root / ".kubevouch" / RUN
    shutil.copytree(WRITTEN / "run-on-a-node", folder)
    (status,) = statuses_of("node-1", await status_of(machine), RUN)
    assert (status.run, status.state) == (RUN, NodeState.DONE)


def test_the_lease_of_a_run() -> None:
    lease = msgspec.json.decode((WRITTEN / "lease.json").read_bytes(), type=Lease)
    assert ARMED in lease.metadata.annotations
    now = datetime(2026, 12, 2, 1, 29, 27, tzinfo=UTC)
    seen = seen_in(lease, now)
    assert seen.holder is not None
    assert seen.holder.identity == f"{RUN} on root@vm (f2fd8915)"
    due = datetime(2026, 12, 2, 1, 34, 54, 835710, tzinfo=UTC)
    assert seen.armed == (ArmedNode(RUN, WORKER_1, due),)
    assert seen_in(lease, due + timedelta(minutes=2)).armed == ()


def test_the_approvers_configuration() -> None:
    read = read_configuration(data_of("configuration")["configuration.yaml"])
    assert isinstance(read, ApproverConfiguration)
    assert [str(each) for each in read.sources] == ["inventory", "pins", "renewal", "new-nodes"]
    (rule,) = read.new_nodes
    assert rule.per_hour == 5
    assert read.problems == ()


def test_a_pin_and_a_record() -> None:
    pin = read_pins("kubevouch-pins-11", data_of("pins")).entries[WORKER_3]
    assert isinstance(pin, PinnedNode)
    assert (pin.uid, pin.addresses, pin.by) == (UID, ("127.107.88.114",), "kubernetes-admin")
    assert pin.client_certificates == (CERTIFICATE,)
    record = read_recorded("kubevouch-recorded-11", data_of("recorded")).entries[WORKER_3]
    assert isinstance(record, RecordedNode)
    assert record.credentials.closed
    assert [each.certificate for each in record.credentials.allowed] == [CERTIFICATE]


def test_the_pins_before_a_change() -> None:
    entries = read_former_pins(str(WRITTEN / "former-pins.json")).entries
    assert len(entries) == 4
    for each in entries:
        assert each.before is not None
        assert not read_pin(each.node, each.before.encode()).client_certificates
