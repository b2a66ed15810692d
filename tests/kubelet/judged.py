"""What a real kubelet answered, as recorded by real/oracle/kubelet_corpus.py."""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec

from kubevouch.kubelet.configuration import KubeletConfiguration

HEAD = b"apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
CASES = Path(__file__).parent / "cases"


class Case(msgspec.Struct, frozen=True):
    name: str
    config: str | dict[str, str] | None
    drop_ins: dict[str, str] | None
    args: list[str]
    configuration: dict[str, Any] | None = None
    error: str = ""
    warning: str = ""
    cert_dir: str = ""

    @property
    def is_beyond_us(self) -> bool:
        """A drop-in in wrong case counts or not by what it is merged with: here it is refused."""
        known = ("drop-in in wrong case", "drop-in in lower case")
        return self.name.startswith(known) and not self.error

    @property
    def content(self) -> bytes:
        assert self.config is not None
        if isinstance(self.config, str):
            return self.config.encode()
        return base64.b64decode(self.config["base64"])

    @property
    def values(self) -> KubeletConfiguration | None:
        """None: the kubelet does not start."""
        if self.configuration is None:
            return None
        return msgspec.convert(self.configuration, KubeletConfiguration)


def recorded(name: str) -> list[Case]:
    lines = (CASES / name).read_text(encoding="utf-8").splitlines()
    return [msgspec.convert(json.loads(line), Case) for line in lines]
