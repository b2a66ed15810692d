"""Real Helm and the charts: `python -m real.charts` writes deploy/ from them (`make deploy`).

What `kubectl apply` and the verbs `install` take is the charts' own rendering, without what only Helm uses: its labels and
annotations. A test renders it again and compares.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from real import programs
from real.layout import Folders
from real.processes import Done, run

CHECKOUT = Path(__file__).parents[1]
CHARTS = CHECKOUT / "charts"
APPROVER = CHARTS / "kubevouch-approver"
METRICS_SERVER = CHARTS / "kubevouch-metrics-server"
EXPORTER = CHARTS / "kubevouch-exporter"


def upstream_chart() -> Path:
    """metrics-server's own chart (3.13.1), out of its module. Raises BedError."""
    module = programs.module_folder("metrics-server", "sigs.k8s.io/metrics-server")
    return module / "charts" / "metrics-server"


# No image is published: this one stands in the rendering, and IMAGE in what is written.
_DIGEST = "sha256:" + "0" * 64
_IMAGE = f"registry.example.com/kubevouch@{_DIGEST}"
_OF_HELM = re.compile(r"\s+(helm\.sh/.*|app\.kubernetes\.io/managed-by: Helm)\n")


@dataclass(frozen=True)
class Rendering:
    """A file of deploy/: the template that it comes from, and the values. note: a comment that only this file has."""

    chart: Path
    release: str
    namespace: str
    template: str
    values: tuple[str, ...] = ()
    note: str = ""


def _approver(template: str, *values: str, note: str = "") -> Rendering:
    return Rendering(APPROVER, APPROVER.name, "kubevouch-system", template, values, note)


def _exporter(template: str, *values: str, note: str = "") -> Rendering:
    return Rendering(EXPORTER, EXPORTER.name, "kubevouch-system", template, values, note)


def _metrics_server(template: str, *values: str, note: str = "") -> Rendering:
    """Its name is not metrics-server's, so that it can be applied beside that; and it bears the label of all that is ours."""
    label = r"commonLabels.app\.kubernetes\.io/part-of=kubevouch"
    named = (f"nameOverride={METRICS_SERVER.name}", label, *values)
    return Rendering(METRICS_SERVER, METRICS_SERVER.name, "kube-system", template, named, note)


_CONFIGURATION = "schemaVersion=kubevouch.approver/1,configuration.sources={inventory,pins,renewal}"
_IMAGE_NOTE = "# Write the image and its digest in place of IMAGE; `{} install --image` does it.\n"
_REPLICAS_NOTE = "# One replica: where there are two {} or more, `install` makes it two and adds two-replicas/.\n"
DEPLOYED: Mapping[str, Rendering] = {
    "approver/00-namespace.yaml": _approver("00-namespace.yaml", "namespace.create=true"),
    "approver/10-rbac.yaml": _approver("10-rbac.yaml"),
    "approver/20-recorded.yaml": _approver("20-recorded.yaml"),
    "approver/30-network-policy.yaml": _approver("30-network-policy.yaml"),
    "approver/40-service.yaml": _approver("40-service.yaml"),
    "approver/50-deployment.yaml": _approver(
        "50-deployment.yaml",
        note=_IMAGE_NOTE.format("approver") + _REPLICAS_NOTE.format("control planes"),
    ),
    "approver/configuration/config-map.yaml": _approver(
        "60-configuration.yaml", f"configuration.{_CONFIGURATION}"
    ),
    "approver/two-replicas/disruption-budget.yaml": _approver(
        "disruption-budget.yaml", "replicas=2"
    ),
    "approver/admission/policies.yaml": _approver("admission-policies.yaml"),
    "approver/admission/bindings.yaml": _approver("admission-bindings.yaml"),
    "approver/monitoring/service-monitor.yaml": _approver(
        "service-monitor.yaml", "monitoring.serviceMonitor.enabled=true"
    ),
    "approver/monitoring/prometheus-rule.yaml": _approver(
        "prometheus-rule.yaml", "monitoring.prometheusRule.enabled=true"
    ),
    "exporter/rbac.yaml": _exporter("rbac.yaml"),
    "exporter/network-policy.yaml": _exporter("network-policy.yaml"),
    "exporter/service.yaml": _exporter("service.yaml"),
    "exporter/deployment.yaml": _exporter("deployment.yaml", note=_IMAGE_NOTE.format("exporter")),
    "exporter/monitoring/service-monitor.yaml": _exporter(
        "service-monitor.yaml", "monitoring.serviceMonitor.enabled=true"
    ),
    "exporter/monitoring/prometheus-rule.yaml": _exporter(
        "prometheus-rule.yaml", "monitoring.prometheusRule.enabled=true"
    ),
    "metrics-server/rbac.yaml": _metrics_server("rbac.yaml"),
    "metrics-server/authority.yaml": _metrics_server("authority.yaml"),
    "metrics-server/admission/authority-policy.yaml": _metrics_server("authority-policy.yaml"),
    "metrics-server/network-policy.yaml": _metrics_server("network-policy.yaml"),
    "metrics-server/service.yaml": _metrics_server("service.yaml"),
    "metrics-server/apiservice.yaml": _metrics_server("apiservice.yaml"),
    "metrics-server/two-replicas/disruption-budget.yaml": _metrics_server(
        "disruption-budget.yaml", "replicas=2"
    ),
    "metrics-server/deployment.yaml": _metrics_server(
        "deployment.yaml",
        "replicas=1",
        note=_IMAGE_NOTE.format("metrics-server") + _REPLICAS_NOTE.format("workers"),
    ),
}
"""By their paths below deploy/. What is not here is written by hand: metrics-server/external.yaml is about a process, no pod."""


@dataclass(frozen=True)
class Helm:
    """Real Helm, with folders of its own: whatever its caller has configured does not count."""

    program: Path
    home: Path

    def run(
        self,
        *words: str,
        stdin: str = "",
        check: bool = True,
        seconds: float = 300,
        kubeconfig: Path | None = None,
    ) -> Done:
        """Runs it to its end. Raises BedError if `check` and it failed."""
        cluster = [f"KUBECONFIG={kubeconfig}"] if kubeconfig else ["KUBECONFIG=/dev/null"]
        argv: list[str | Path] = ["env", *cluster, f"HELM_CACHE_HOME={self.home}/cache"]
        argv += [f"HELM_CONFIG_HOME={self.home}/config", f"HELM_DATA_HOME={self.home}/data"]
        return run([*argv, self.program, *words], stdin=stdin, check=check, seconds=seconds)

    def template(self, chart: Path, *words: str, release: str, namespace: str) -> str:
        """What the chart renders to where no cluster can be asked."""
        named = ("template", release, str(chart), "--namespace", namespace)
        return self.run(*named, *words).stdout


def rendered(helm: Helm, rendering: Rendering) -> str:
    """A file of deploy/, made anew."""
    words = ["--set", f"image.repository=registry.example.com/kubevouch,image.digest={_DIGEST}"]
    for each in rendering.values:
        words += ["--set", each]
    text = helm.template(
        rendering.chart,
        *words,
        "--show-only",
        f"templates/{rendering.template}",
        release=rendering.release,
        namespace=rendering.namespace,
    )
    return rendering.note + without_helm(text).replace(_IMAGE, "IMAGE")


def without_helm(text: str) -> str:
    """Documents as Helm prints them, without what only Helm uses."""
    documents = [
        _document(part) for part in re.split(r"^---\n(?:# Source: .*\n)?", text, flags=re.MULTILINE)
    ]
    return "---\n".join(each for each in documents if each)


def _document(text: str) -> str:
    kept = [line for line in text.splitlines(keepends=True) if not _OF_HELM.fullmatch(line)]
    lines = "".join(line for line in kept if line.strip())
    # A mapping of which nothing is left.
    return re.sub(r"^  annotations:\n(?!    )", "", lines, flags=re.MULTILINE)


def write(helm: Helm, deploy: Path, which: Sequence[str] = tuple(DEPLOYED)) -> None:
    """Writes the files."""
    for path in which:
        target = deploy / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(rendered(helm, DEPLOYED[path]), "utf-8")


def real_helm(folders: Folders, home: Path) -> Helm:
    """Helm, built if the cache lacks it. Raises BedError."""
    return Helm(programs.build(folders, (programs.HELM,)).paths["helm"], home)


def main() -> None:
    """Writes deploy/."""
    folders = Folders.of(os.environ)
    write(real_helm(folders, folders.cache / "helm"), CHECKOUT / "deploy")


if __name__ == "__main__":
    main()
