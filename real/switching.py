"""From one state to another on a running bed, and the proof that it is reached.

Kubelets are stopped, what earlier tests and runs of the product left is removed, the state's files and
configuration put in place, kubelets started; then the state is looked at from outside until it is true.
The caller stands inside the bed's network.
"""

import json
from dataclasses import dataclass

import msgspec

from kubevouch_lab.cluster.node_disk import configured
from real import clock, cluster, faults
from real.handshake import Seen, context, shake
from real.layout import HOSTS, WORKERS, Folders, Host
from real.machine import Machine
from real.pairs import Pair
from real.placing import Placed
from real.processes import at_once
from real.progress import step
from real.running import Facts, Record
from real.states import KUBELET, State, serving_files

SERVING_SIGNER = "kubernetes.io/kubelet-serving"
_CONFIG = f"{KUBELET}/config.yaml"
_SELECTOR = "k8s-app=metrics-server"
_STOP = r"""
for unit in $(systemctl list-units --all --plain --no-legend 'kubevouch-*' | cut -d' ' -f1); do
  systemctl stop "$unit" || true
done
systemctl stop kubelet
rm -f /run/systemd/transient/kubevouch-* /etc/systemd/system/kubevouch-*
rm -rf /etc/systemd/system/kubelet.service.d /run/systemd/system/kubelet.service.d
systemctl reset-failed
rm -rf /var/lib/kubelet/.kubevouch
rm -f /var/lib/kubelet/pki/kubelet.crt /var/lib/kubelet/pki/kubelet.key /var/lib/kubelet/pki/kubelet-server*
"""


@dataclass(frozen=True)
class Switch:
    """A running bed, to be brought into a state."""

    folders: Folders
    facts: Facts

    @property
    def machines(self) -> tuple[Machine, ...]:
        """All four."""
        return cluster.machines_of(self.folders)

    def to(self, state: State) -> None:
        """Brings it there and returns when it is seen to be there.

        Raises:
            BedError: a step failed, or the state was not seen in time.
        """
        for host in HOSTS:
            faults.mend(host, self.folders)
        faults.start_controller_manager(self.machines[0])
        with step("kubelets stopped, leftovers removed"):
            at_once(self._stop, self.machines)
            self._reset_cluster(state)
        with step(f"kubelets started as {state}"):
            at_once(lambda machine: self._start(machine, state), self.machines)
        if state is State.HEALTHY:
            with step("serving certificates approved"):
                at_once(self._approve, HOSTS)
        cluster.forget_discovery(self.folders)
        cluster.wait_nodes_ready(self.folders)
        self.observe(state)
        Record(self.folders).write(msgspec.structs.replace(self.facts, state=state))

    def observe(self, state: State) -> None:
        """Waits until kubelets and metrics-server look as the state says.

        Raises:
            BedError: they do not, in two minutes.
        """
        with step("kubelets seen on the wire"):
            at_once(lambda host: self._wait_served(host, state), HOSTS)
        if state in {State.PENDING, State.ROTATED_EXPIRED}:
            at_once(self._wait_pending, HOSTS)
        with step(f"metrics-server {'3/3' if state is State.HEALTHY else '0/3'}"):
            if state is State.HEALTHY:
                clock.until(
                    "metrics-server 3/3",
                    lambda: self._ready_replicas() == 3,
                    seconds=120,
                    every=0.5,
                )
                clock.until(
                    "kubectl top nodes with four nodes", self._top_answers, seconds=60, every=0.5
                )
            else:
                self._restart_metrics_server()
                clock.until(
                    "the story's log line of every node", lambda: self._logged(state), seconds=120
                )
                clock.until("metrics-server 0/3", self._unavailable, seconds=120)

    def _stop(self, machine: Machine) -> None:
        faults.free(machine)
        machine.sh(_STOP)

    def _start(self, machine: Machine, state: State) -> None:
        host = machine.host
        ca = Pair(self.facts.ca_chain.encode(), self.facts.ca_key.encode())
        kept = dict(self.facts.node_files[host.short])
        kept[_CONFIG] = configured(kept[_CONFIG], bootstraps=state.bootstraps)
        restored = [Placed(path, text.encode(), made=clock.now()) for path, text in kept.items()]
        machine.place([*restored, *serving_files(state, host, self.facts.history, ca)])
        machine.sh("systemctl unmask -q kubelet; systemctl daemon-reload; systemctl start kubelet")

    def _reset_cluster(self, state: State) -> None:
        made = json.loads(self.facts.kubelet_config_map)
        made["data"]["kubelet"] = configured(made["data"]["kubelet"], bootstraps=state.bootstraps)
        replaced = cluster.kubectl(
            self.folders, "replace", "-f", "-", stdin=json.dumps(made), check=False
        )
        if replaced.returncode != 0:  # somebody deleted it
            cluster.kubectl(self.folders, "create", "-f", "-", stdin=json.dumps(made))
        self._kubectl(
            *(
                "delete",
                "csr",
                "--ignore-not-found",
                f"--field-selector=spec.signerName={SERVING_SIGNER}",
            ),
        )

    def _approve(self, host: Host) -> None:
        newest = clock.until(
            f"a serving CSR of {host.short}", lambda: self._pending_of(host), seconds=60
        )
        self._kubectl("certificate", "approve", newest)

    def _pending_of(self, host: Host) -> str | None:
        """The name of the node's newest serving CSR that nobody decided on."""
        done = self._kubectl(
            "get", "csr", "-o", "json", f"--field-selector=spec.signerName={SERVING_SIGNER}"
        )
        own = [
            (item["metadata"]["creationTimestamp"], item["metadata"]["name"])
            for item in json.loads(done)["items"]
            if item["spec"]["username"] == f"system:node:{host.name}"
            and not item["status"].get("conditions")
        ]
        return max(own)[1] if own else None

    def _wait_pending(self, host: Host) -> None:
        clock.until(f"a pending CSR of {host.short}", lambda: self._pending_of(host), seconds=60)

    def _wait_served(self, host: Host, state: State) -> None:
        tls = context()
        clock.until(
            f"{host.short}:10250 as in {state}",
            lambda: self._looks(state, host, shake(host.address, tls=tls)),
            seconds=90,
        )

    def _looks(self, state: State, host: Host, seen: Seen) -> bool:
        if state in {State.PENDING, State.ROTATED_EXPIRED}:
            return seen.outcome == "alert:internal_error"
        leaf = seen.certificate
        if leaf is None:
            return False
        ends, issuer = leaf.not_valid_after_utc, leaf.issuer.rfc4514_string()
        if state is State.HEALTHY:
            return issuer == "CN=kubernetes" and ends > clock.now()
        own = issuer.startswith(f"CN={host.name}-ca@")
        return own and (ends < clock.now()) == (state is State.EXPIRED)

    def _ready_replicas(self) -> int:
        done = self._kubectl(
            "-n", "kube-system", "get", "deployment", "metrics-server", "-o", "json"
        )
        return int(json.loads(done)["status"].get("readyReplicas", 0))

    def _top_answers(self) -> bool:
        done = cluster.kubectl(self.folders, "top", "nodes", "--no-headers", check=False)
        return (
            done.returncode == 0
            and done.stdout.count("%") >= 2 * len(HOSTS)
            and "unknown" not in done.stdout
        )

    def _unavailable(self) -> bool:
        done = self._kubectl("get", "apiservice", "v1beta1.metrics.k8s.io", "-o", "json")
        conditions = json.loads(done)["status"].get("conditions", [])
        gone = any(
            c["type"] == "Available" and c["reason"] == "MissingEndpoints" for c in conditions
        )
        return gone and self._ready_replicas() == 0

    def _restart_metrics_server(self) -> None:
        """New pods are unready at once and log this state only; running ones would take 45 s to turn."""
        self._kubectl(
            *("-n", "kube-system", "delete", "pods", "-l", _SELECTOR),
            *("--grace-period=0", "--force", "--wait=false"),
        )

    def _logged(self, state: State) -> bool:
        """Whether one pod has logged the state's error for all nodes. Read from disk: the API path may be dark."""
        done = self._kubectl("-n", "kube-system", "get", "pods", "-l", _SELECTOR, "-o", "json")
        uids = {
            item["spec"].get("nodeName"): item["metadata"]["uid"]
            for item in json.loads(done)["items"]
        }
        for machine in self.machines:
            if machine.host in WORKERS and machine.host.name in uids:
                log = machine.sh(
                    f"cat /var/log/pods/kube-system_*_{uids[machine.host.name]}/*/*.log",
                    check=False,
                ).stdout
                lines = [line for line in log.splitlines() if state.scrape_error in line]
                if all(any(f"//{host.address}:" in line for line in lines) for host in HOSTS):
                    return True
        return False

    def _kubectl(self, *arguments: str) -> str:
        return cluster.kubectl(self.folders, *arguments).stdout
