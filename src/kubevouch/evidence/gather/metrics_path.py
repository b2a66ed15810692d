"""Reads the path from `kubectl top` to a kubelet: APIService, Service, pods, their flags and logs."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from kubevouch.evidence.gather.inquiry import Inquiry, together
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured, Vantage
from kubevouch.evidence.scrape_log import denials, scrape_failures
from kubevouch.evidence.snapshot import (
    MetricsPath,
    place_of,
    scraper_of,
)
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import (
    API_SERVICES,
    DEPLOYMENTS,
    METRICS_API_SERVICES,
    METRICS_VERSIONS,
    NODE_METRICS,
    PODS,
    SERVICES,
    APIService,
    Deployment,
    Pod,
    Service,
)

T = TypeVar("T")

_LOG_LINES = 100
_MOST_LOGS = 3
_NOT_READ = Doubt(DoubtKind.NOT_ASKED, "the logs were not read")


async def gather_metrics_path(api: ApiClient, inquiry: Inquiry) -> MetricsPath:
    """The objects from the APIService to metrics-server's pods, and the pods' logs.

    If an object is missing, we look for the next object where metrics-server's manifests put it.
    """
    return await with_logs(api, inquiry, await path_without_logs(api, inquiry))


async def path_without_logs(api: ApiClient, inquiry: Inquiry) -> MetricsPath:
    """The path without logs: the API server gets logs from kubelets, which may hang."""
    path: MetricsPath
    others: list[MetricsPath | None]
    *more, everywhere = METRICS_VERSIONS
    path, *others = await together(
        _of_version(api, inquiry, everywhere), *(_if_there(api, inquiry, each) for each in more)
    )
    return replace(path, others=tuple(filter(None, others)))


async def _if_there(api: ApiClient, inquiry: Inquiry, version: str) -> MetricsPath | None:
    name = METRICS_API_SERVICES[version]
    found: Measured[APIService] = await inquiry.ask(api.get(API_SERVICES, name))
    return await _of_version(api, inquiry, version) if found.value or found.doubt else None


async def _of_version(api: ApiClient, inquiry: Inquiry, version: str) -> MetricsPath:
    api_service, node_metrics = await together(
        inquiry.ask(api.get(API_SERVICES, METRICS_API_SERVICES[version])),
        inquiry.ask(api.list_all(replace(NODE_METRICS, version=version))),
    )
    service = await _service(api, inquiry, api_service)
    pods, deployment = await _behind(api, inquiry, service)
    return MetricsPath(
        api_service=api_service,
        service=service,
        deployment=deployment,
        pods=pods,
        failures=Measured(Vantage.SCRAPER_LOG, pods.at, doubt=_NOT_READ),
        denials=Measured(Vantage.SCRAPER_LOG, pods.at, doubt=_NOT_READ),
        node_metrics=node_metrics,
        version=version,
    )


async def with_logs(
    api: ApiClient, inquiry: Inquiry, path: MetricsPath, timeout: float | None = None
) -> MetricsPath:
    """The path with its pods' logs. timeout: seconds for the logs; None for the client's own time-out."""
    logs = await _logs(api, inquiry, path.pods, timeout)
    return replace(
        path,
        failures=_in_logs(logs, scrape_failures),
        denials=_in_logs(logs, denials),
    )


def _without_mirrors(pods: Measured[tuple[Pod, ...]]) -> Measured[tuple[Pod, ...]]:
    """Drops mirror pods: any node may create them with any labels (NodeRestriction) and write their logs.

    Keeps terminating pods only if no others exist: a rollout is complete before its last old pod is
    gone.
    """
    own = tuple(pod for pod in pods.or_else(()) if not pod.is_mirror)
    staying = tuple(pod for pod in own if not pod.is_ending)
    return pods if pods.value is None else replace(pods, value=staying or own)


async def _behind(
    api: ApiClient, inquiry: Inquiry, service: Measured[Service]
) -> tuple[Measured[tuple[Pod, ...]], Measured[Deployment]]:
    """The pods that serve the metrics API, and their Deployment.

    A Service without a selector has no pods in this cluster, even if pods of another metrics server
    remain.
    """
    if service.value is not None and not service.value.spec.selector:
        nobody: Measured[tuple[Pod, ...]] = Measured(Vantage.API_SERVER, service.at, ())
        return nobody, Measured(Vantage.API_SERVER, service.at)
    namespace, labels = place_of(service.value)
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    pods, deployments = await together(
        inquiry.ask(api.list_all(PODS, namespace, label_selector=selector)),
        inquiry.ask(api.list_all(DEPLOYMENTS, namespace)),
    )
    pods = _without_mirrors(pods)
    # The namespace was a guess, so finding nothing there proves nothing.
    unread = service.doubt
    if not pods.value and unread is not None and unread.kind is not DoubtKind.NOT_ASKED:
        pods = replace(pods, value=None, doubt=pods.doubt or unread)
    return pods, _deployment(deployments, labels)


async def _service(
    api: ApiClient, inquiry: Inquiry, api_service: Measured[APIService]
) -> Measured[Service]:
    named = api_service.value.spec.service if api_service.value else None
    if named is None:
        doubt = api_service.doubt or Doubt(DoubtKind.NOT_ASKED, "no APIService refers to a Service")
        return Measured(Vantage.API_SERVER, api_service.at, doubt=doubt)
    return await inquiry.ask(api.get(SERVICES, named.name, named.namespace))


def _deployment(
    found: Measured[tuple[Deployment, ...]], labels: dict[str, str]
) -> Measured[Deployment]:
    chosen = next(
        (
            each
            for each in found.or_else(())
            if labels.items() <= each.spec.template.metadata.labels.items()
        ),
        None,
    )
    return Measured(found.vantage, found.at, chosen, found.doubt)


async def _logs(
    api: ApiClient, inquiry: Inquiry, pods: Measured[tuple[Pod, ...]], timeout: float | None
) -> Measured[dict[str, str]]:
    """The logs of up to _MOST_LOGS running replicas, by pod.

    Each replica scrapes every node, so one readable log is enough.
    """
    running = [pod for pod in pods.or_else(()) if pod.status.phase == "Running"][:_MOST_LOGS]
    logs: list[Measured[str]] = await together(
        *(
            inquiry.ask(
                api.pod_log(
                    pod.namespace,
                    pod.name,
                    scraper_of(pod).name,
                    tail_lines=_LOG_LINES,
                    seconds=timeout,
                )
            )
            for pod in running
        )
    )
    read = {
        pod.name: log.value for pod, log in zip(running, logs, strict=True) if log.value is not None
    }
    doubts = [log.doubt for log in logs if log.doubt is not None]
    doubt = doubts[0] if doubts and len(doubts) == len(logs) else None
    return Measured(Vantage.SCRAPER_LOG, pods.at, None if doubt else read, doubt or pods.doubt)


def _in_logs(
    read: Measured[dict[str, str]], lines: Callable[[str, str], tuple[T, ...]]
) -> Measured[tuple[T, ...]]:
    if read.value is None:
        return Measured(read.vantage, read.at, doubt=read.doubt)
    found = tuple(each for pod, log in read.value.items() for each in lines(log, pod))
    return Measured(read.vantage, read.at, found, read.doubt)
