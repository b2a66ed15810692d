"""Which program serves the metrics API: upstream's metrics-server, or ours in its place.

Ours takes upstream's flags and may run under upstream's own manifests with nothing but the image changed. So it is known
by its command line, or by the image's name.
"""

from collections.abc import Iterable

from kubevouch.kube.resources import Container

_INSECURE = ("--kubelet-insecure-tls", "--deprecated-kubelet-completely-insecure")
_VERB = "metrics-server"
_OURS = "kubevouch"


def runs_ours(container: Container) -> bool:
    """Whether the container of a metrics server runs ours."""
    program = _last_part(container.command[0]) if container.command else ""
    is_our_verb = program == _OURS or container.args[:1] == (_VERB,)
    return is_our_verb or _OURS in _last_part(container.image)


def insecure_words(flags: Iterable[str]) -> list[str]:
    """The words of a command line that ask for no verification of kubelets."""
    return [
        flag
        for flag in flags
        if flag.partition("=")[0] in _INSECURE
        and flag.partition("=")[2].lower() not in {"false", "0", "f"}
    ]


def _last_part(path: str) -> str:
    """Of a program's path, or of an image's name with its tag and digest."""
    return path.partition("@")[0].rpartition("/")[2]
