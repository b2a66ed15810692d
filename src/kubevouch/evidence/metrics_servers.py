"""Which program serves the metrics API: upstream's metrics-server, or ours in its place.

Ours takes upstream's flags and may run under upstream's own manifests with nothing but the image changed. So it is known
by its command line, by the image's name, or by its log, whose lines name files of ours.
"""

import re
from collections.abc import Iterable

from kubevouch.kube.resources import Container

_INSECURE = ("--kubelet-insecure-tls", "--deprecated-kubelet-completely-insecure")
_VERB = "metrics-server"
_OURS = "kubevouch"
# klog's head, and the file that wrote the line: of upstream's a .go (klog's internal/buffer/buffer.go, logs/json).
_TEXT = re.compile(r"^[IWEF]\d{4} [\d:.]{8,18} +\d{1,7} \w{1,64}\.py:\d{1,6}\] ", re.MULTILINE)
_JSON = re.compile(r'^\{"ts":[\d.]{1,20},"caller":"\w{1,64}\.py:\d{1,6}"', re.MULTILINE)


def runs_ours(container: Container, logs: Iterable[str]) -> bool:
    """Whether the container of a metrics server runs ours. logs: what any replica has written."""
    program = _last_part(container.command[0]) if container.command else ""
    if program == _OURS or container.args[:1] == (_VERB,):
        return True
    return _OURS in _last_part(container.image) or any(
        _TEXT.search(log) or _JSON.search(log) for log in logs
    )


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
