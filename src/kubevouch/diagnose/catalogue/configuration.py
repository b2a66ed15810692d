"""KV5xx: how kubelets are configured."""

from kubevouch.diagnose.catalogue.codes import Code
from kubevouch.diagnose.catalogue.definition import ERROR, PLAN, WARNING, FindingDefinition

DEFINITIONS = (
    FindingDefinition(
        code=Code.BOOTSTRAP_OFF,
        name="BootstrapOff",
        severity=ERROR,
        see="Kubelets serve certificates that they made themselves.",
        why="serverTLSBootstrap is off, which is kubeadm's default: kubelets never ask the cluster for a certificate.",
        do="kubevouch plan -o plan.json",
        related=("CIS 4.2.11 passes here; it looks at the feature gate",),
        cause_rank=100,
        cause="{kubelets} because serverTLSBootstrap is off{worst}: {subjects}. {refused}{nobody}",
        next=PLAN,
    ),
    FindingDefinition(
        code=Code.CONFIG_MAP_DRIFT,
        name="ConfigMapDrift",
        severity=WARNING,
        see="The kubelet-config ConfigMap and the nodes disagree on serverTLSBootstrap.",
        why="The next `kubeadm join` or `kubeadm upgrade` copies the ConfigMap to a node, and with it the other setting.",
        do="kubevouch plan -o plan.json changes both.",
        symptom_of=(Code.BOOTSTRAP_OFF,),
    ),
    FindingDefinition(
        code=Code.IGNORED_KEY,
        name="IgnoredKey",
        severity=WARNING,
        see="The kubelet's configuration has a key that differs from a known one only by its case.",
        why="The kubelet falls back to lenient decoding and ignores the key, with one line in its log.",
        do="Spell it as the finding says, or remove it.",
        related=("kubeadm#2024",),
    ),
)
