"""The objects of a cluster that kubeadm made long ago, as they lie in the store when the lab first starts. Pure.

Shapes are those of a real cluster of that kind (`kubectl get -o json` on one), less what controllers and kubelets of
the lab write by themselves.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from importlib import resources

from kubevouch import goyaml
from kubevouch_lab.apiserver.kinds import KINDS, kind_of
from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.apiserver.registry.strategy import Strategy
from kubevouch_lab.apiserver.registry.table import SERVICES, STRATEGIES
from kubevouch_lab.apiserver.request import LOOPBACK, RequestInfo
from kubevouch_lab.cluster import kubeconfigs, seed_rbac
from kubevouch_lab.cluster.authorities import Authorities
from kubevouch_lab.cluster.history import ClusterHistory
from kubevouch_lab.cluster.node_disk import configured, kubelet_configuration
from kubevouch_lab.cluster.site import (
    API_PORT,
    KUBELET_PORT,
    VERSION,
    Host,
    Site,
)
from kubevouch_lab.objects import Object, ip_family

Uids = Callable[[], str]

_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_METRICS_SERVICE = {"IPv4": "10.96.234.196", "IPv6": "fd00:10:96::eac4"}
_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


def objects(
    site: Site, history: ClusterHistory, pki: Authorities, uids: Uids, *, bootstraps: bool = False
) -> list[Object]:
    """All of them, in an order in which each finds what it needs, whole with metadata."""
    made, installed = history.cluster_made, history.metrics_server_installed
    system = [
        *(_object("Namespace", name) for name in _NAMESPACES),
        *_service_accounts(),
        *_config_maps(site, pki, bootstraps=bootstraps),
        *_kubernetes_service(site),
        *seed_rbac.objects(),
        *_local_api_services(),
    ]
    found = [
        *((each, made) for each in system),
        *((_node(site, host), history.joined(host)) for host in site.hosts),
        *((each, history.renewed) for each in _static_pods(site, history)),
        *((each, history.workload_made) for each in manifest("burner.yaml", site)),
        *((each, installed) for each in manifest("metrics-server.yaml", site)),
    ]
    return [_complete(thing, born, site, uids) for thing, born in found]


def manifest(name: str, site: Site) -> list[Object]:
    """The objects of a manifest, as kubectl apply would send them."""
    parts = _manifest(name).split("\n---\n")
    found: list[Object] = [goyaml.read(part.encode()) for part in parts]
    for thing in found:
        last = json.dumps(thing, separators=(",", ":"), sort_keys=True) + "\n"
        noted = {"kubectl.kubernetes.io/last-applied-configuration": last}
        thing["metadata"]["annotations"] = noted
        if thing["kind"] == "Service":
            address = _METRICS_SERVICE[ip_family(site.service_addresses[0])]
            thing["spec"]["clusterIP"] = address
    return found


def _manifest(name: str) -> str:
    return resources.files(__package__).joinpath("manifests", name).read_text()


def kubelet_config_map(site: Site, *, bootstraps: bool) -> Object:
    """kube-system/kubelet-config, as kubeadm writes it, with or without serverTLSBootstrap."""
    text = configured(kubelet_configuration(site.dns_address, runtime=""), bootstraps=bootstraps)
    return _config_map("kubelet-config", {"kubelet": text})


def _complete(thing: Object, made: datetime, site: Site, uids: Uids) -> Object:
    """With the metadata that a server adds, and what it makes of a new object of that kind."""
    kind = kind_of(thing["apiVersion"], thing["kind"])
    assert kind is not None, thing
    metadata = {**thing["metadata"], "uid": uids(), "creationTimestamp": moment(made)}
    if kind.generation:
        metadata["generation"] = 1
    own = {**STRATEGIES, "services": replace(SERVICES, network=site.service_subnets[0])}
    strategy = own.get(kind.plural) or Strategy()
    info = RequestInfo("create", "", LOOPBACK)
    whole = strategy.create(kind, info, {**thing, "metadata": metadata}, made)
    return {**whole, "status": thing["status"]} if "status" in thing else whole


def _object(kind: str, name: str, namespace: str = "") -> Object:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}


def _service_accounts() -> Iterable[Object]:
    for namespace in _NAMESPACES:
        yield _object("ServiceAccount", "default", namespace)
    for name in ("certificate-controller", "endpointslice-controller", "node-controller"):
        yield _object("ServiceAccount", name, "kube-system")


def _config_map(name: str, data: dict[str, str], namespace: str = "kube-system") -> Object:
    return {**_object("ConfigMap", name, namespace), "data": data}


def _config_maps(site: Site, pki: Authorities, *, bootstraps: bool) -> Iterable[Object]:
    ca = pki.ca.chain.decode()
    yield _config_map(
        "extension-apiserver-authentication",
        {
            "client-ca-file": ca,
            "requestheader-allowed-names": '["front-proxy-client"]',
            "requestheader-client-ca-file": pki.front_proxy_ca.chain.decode(),
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-username-headers": '["X-Remote-User"]',
        },
    )
    configuration = _manifest("kubeadm-config.yaml")
    for made, own in (("10.244.0.0/16", site.pod_subnets), ("10.96.0.0/12", site.service_subnets)):
        configuration = configuration.replace(made, ",".join(own))
    yield _config_map("kubeadm-config", {"ClusterConfiguration": configuration})
    yield kubelet_config_map(site, bootstraps=bootstraps)
    joining = kubeconfigs.discovery(site.api_url, pki.ca.chain)
    yield _config_map("cluster-info", {"kubeconfig": joining}, "kube-public")


def _kubernetes_service(site: Site) -> Iterable[Object]:
    port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": API_PORT}
    labels = {"component": "apiserver", "provider": "kubernetes"}
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
        "spec": {"clusterIP": site.service_addresses[0], "ports": [port]},
    }
    served = {"name": "https", "port": API_PORT, "protocol": "TCP"}
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": ip_family(site.api_address),
        "endpoints": [{"addresses": [site.api_address], "conditions": {"ready": True}}],
        "ports": [served],
    }


def _local_api_services() -> Iterable[Object]:
    """What kube-aggregator registers for the groups that the API server serves itself."""
    own = "apiregistration.k8s.io"  # the aggregator does not register itself
    versions = {(k.group, k.version) for k in KINDS.values() if k.group != own}
    for group, version in sorted(versions):
        yield {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {
                "name": f"{version}.{group}",
                "labels": {"kube-aggregator.kubernetes.io/automanaged": "onstart"},
            },
            "spec": {
                "group": group,
                "version": version,
                "groupPriorityMinimum": 17800 if group else 18000,
                "versionPriority": 15 if group else 1,
            },
        }


def _node(site: Site, host: Host) -> Object:
    """As kubeadm and the controllers left it; its kubelet writes its status when it starts."""
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": host.name,
        "kubernetes.io/os": "linux",
    }
    networks = site.pod_networks(host)
    spec: Object = {"podCIDR": networks[0], "podCIDRs": list(networks)}
    if host.control_plane:
        labels |= {
            _CONTROL_PLANE: "",
            "node.kubernetes.io/exclude-from-external-load-balancers": "",
        }
        spec["taints"] = [{"effect": "NoSchedule", "key": _CONTROL_PLANE}]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": host.name,
            "labels": labels,
            "annotations": {
                "node.alpha.kubernetes.io/ttl": "0",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
            },
        },
        "spec": spec,
        "status": {
            "addresses": [
                *({"address": each, "type": "InternalIP"} for each in host.addresses),
                {"address": host.name, "type": "Hostname"},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
        },
    }


def _static_pods(site: Site, history: ClusterHistory) -> Iterable[Object]:
    """Static pods of the control plane: running on paper, since the lab's own process is all of them."""
    master = site.hosts[0]
    started = moment(history.renewed + timedelta(seconds=4))
    for name, image in (
        ("etcd", "registry.k8s.io/etcd:3.6.8-0"),
        ("kube-apiserver", f"registry.k8s.io/kube-apiserver:{VERSION}"),
        ("kube-controller-manager", f"registry.k8s.io/kube-controller-manager:{VERSION}"),
        ("kube-scheduler", f"registry.k8s.io/kube-scheduler:{VERSION}"),
    ):
        state = {"running": {"startedAt": started}}
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{name}-{master.name}",
                "namespace": "kube-system",
                "labels": {"component": name, "tier": "control-plane"},
                "annotations": {"kubernetes.io/config.source": "file"},
            },
            "spec": {
                "containers": [
                    {"name": name, "image": image, "resources": {"requests": {"cpu": "100m"}}}
                ],
                "hostNetwork": True,
                "nodeName": master.name,
                "priority": 2_000_001_000,
                "priorityClassName": "system-node-critical",
                "tolerations": [{"effect": "NoExecute", "operator": "Exists"}],
            },
            "status": {
                "phase": "Running",
                "startTime": started,
                "containerStatuses": [{"name": name, "restartCount": 0, "state": state}],
            },
        }
