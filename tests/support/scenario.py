"""A cluster in a few lines: what differs from a recorded one, and what must be found there. Read from YAML."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([+-]?)(\d+)([smhd])")


class _Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """A typing mistake in a case fails the case."""


class Kubelet(_Said, frozen=True, kw_only=True):
    """What answers on a node's port, and with which certificate. Times are from now.

    by: who signed: the cluster's CA; another one of the same name (impostor), or of another (stranger); the kubelet
    itself. names, addresses: the SANs; None are the node's own. cn: of which node; None is this one. plain: without
    system:node: and the group, as k3s and kops sign.
    """

    port: Literal["serves", "dark", "refuses", "silent", "plain-http", "hangs-up"] = "serves"
    by: Literal["cluster", "impostor", "stranger", "itself"] = "cluster"
    starts: str = "-1d"
    ends: str = "+364d"
    names: tuple[str, ...] | None = None
    addresses: tuple[str, ...] | None = None
    cn: str | None = None
    plain: bool = False


class Condition(_Said, frozen=True, kw_only=True):
    """A condition of a request."""

    type: str
    reason: str = ""
    message: str = ""
    age: str = "0s"


class ApiServer(_Said, frozen=True, kw_only=True):
    """kubeadm's certificate of an API server. Times are from now."""

    starts: str
    ends: str


class Called(_Said, frozen=True, kw_only=True):
    """An aggregated API v1.example.com. Its caBundle is the cluster's CA, or one that ends then.

    by: who signed what its pod serves: the cluster's CA, or another.
    """

    by: Literal["cluster", "stranger"] = "cluster"
    bundle_ends: str | None = None


class Request(_Said, frozen=True, kw_only=True):
    """A request of a node, for a serving certificate if it does not say client.

    names, addresses: None are the node's own. user: if not the node's. starts, ends: of what was issued for a client.
    """

    node: str
    age: str = "5m"
    names: tuple[str, ...] | None = None
    addresses: tuple[str, ...] | None = None
    user: str | None = None
    conditions: tuple[Condition, ...] = ()
    issued: bool = False
    signer: Literal["kubelet-serving", "kube-apiserver-client-kubelet"] = "kubelet-serving"
    starts: str = "-5m"
    ends: str | None = None
    manager: str = ""
    """The client that wrote its conditions."""


class Expected(_Said, frozen=True, kw_only=True):
    """What doctor must come to. finds: the codes, all of them. exit: its exit code.

    about: by code, the subjects. says: by code (or "cause", or "then"), words of the title; with * a pattern as fnmatch has it.
    because: by code, the code that it is a symptom of.
    """

    finds: tuple[str, ...]
    exit: int
    cause: str | None = None
    causes: tuple[str, ...] | None = None
    next: str | None = None
    about: dict[str, tuple[str, ...]] = {}
    says: dict[str, str] = {}
    because: dict[str, str] = {}
    verify: int | None = None
    """The exit code of `verify`; None is the same as doctor's."""


class Scenario(_Said, frozen=True, kw_only=True):
    """One case. state: the recording it starts from.

    kubelets: by short node name, or "all" for the rest. objects: merge patches (RFC 7386) by Kind/name, * allowed; null
    deletes. add: whole objects. approver: kubelet-csr-approver with its role; down: no pod of its is ready; ours: kubevouch's own runs; ours-down: it does not; ours-leaderless: its pods are ready and none leads.
    kubelet-config: lines put behind the ConfigMap's text. flags: words put behind a program's. requests: in place of the recorded ones. metrics: age of each node's NodeMetrics, null for none.
    log: metrics-server's; "recorded" is that of a cluster with expired kubelets. denied: "verb resource" in RBAC's words, or "*".
    """

    title: str
    state: Literal["expired", "pending", "fixed"] = "fixed"
    kubelets: dict[str, Kubelet] = {}
    objects: dict[str, dict[str, Any] | None] = {}
    add: tuple[dict[str, Any], ...] = ()
    approver: Literal["none", "runs", "down", "ours", "ours-down", "ours-leaderless"] = "none"
    kubelet_config: str = ""
    flags: dict[Literal["metrics-server", "kube-apiserver"], tuple[str, ...]] = {}
    requests: tuple[Request, ...] | None = None
    metrics: dict[str, str | None] = {}
    metrics_v1: dict[str, str | None] | None = {}
    """What v1 has, where it has an APIService, in place of these; None: its list answers 404."""

    metrics_fail: str = ""
    """What the API server answers to whoever asks for metrics, although the APIService is available."""

    log: str = ""
    denied: tuple[str, ...] = ()
    ca_ends: str | None = None
    api_server: ApiServer | None = None
    """What is served at the address that the cluster tells, with ca-ends; None: no connection from here."""

    front_proxy_ca_ends: str | None = None
    called: Called | None = None
    clocks: dict[str, str] = {}
    """By node: how far its clock goes ahead, as the API server sees it."""

    armed: dict[str, str] = {}
    """By node: when the switch of a run puts it back, from now, as the record of this machine says."""

    dial_timeout: float = 60.0
    expected: Expected

    def kubelet(self, node: str) -> Kubelet:
        """That of a node, by its short name."""
        return self.kubelets.get(node) or self.kubelets.get("all") or Kubelet()


def read_scenario(path: Path) -> Scenario:
    text = path.read_text(encoding="utf-8")
    return msgspec.convert(yaml.load(text, yaml.CSafeLoader), Scenario)


def duration(text: str) -> timedelta:
    """`-55d`, `+364d`, `20s`."""
    found = _DURATION.fullmatch(text)
    assert found, text
    seconds = int(found[2]) * _UNITS[found[3]]
    return timedelta(seconds=-seconds if found[1] == "-" else seconds)
