"""The kubelet-config ConfigMap: how the next joiner's kubelet will be configured."""

from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured
from kubevouch.evidence.snapshot import KubeletConfigMap
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CONFIG_MAPS
from kubevouch.kubelet.configuration import read_configuration
from kubevouch.kubelet.document import ProblemKind

NAME = "kubelet-config"
NAMESPACE = "kube-system"
KEY = "kubelet"


async def gather_kubelet_config(api: ApiClient, inquiry: Inquiry) -> Measured[KubeletConfigMap]:
    """The ConfigMap that kubeadm created (cmd/kubeadm/app/constants/constants.go); None on a cluster without it."""
    found = await inquiry.ask(api.get(CONFIG_MAPS, NAME, NAMESPACE))
    if found.value is None:
        return Measured(found.vantage, found.at, doubt=found.doubt)
    text = found.value.data.get(KEY, "")
    file = read_configuration(text.encode(), f"ConfigMap {NAME}")
    if file.values is None:
        doubt = Doubt(DoubtKind.FAILED, f"{file.where}: {file.fatal}")
        return Measured(found.vantage, found.at, doubt=doubt)
    return Measured(
        found.vantage,
        found.at,
        KubeletConfigMap(
            object=found.value,
            text=text,
            cluster_domain=file.values.cluster_domain.strip(".").lower(),
            bootstrap=file.values.server_tls_bootstrap,
            ignored=tuple(each for each in file.problems if each.kind is ProblemKind.WRONG_CASE),
        ),
    )
