"""The command line of a running kubelet, parsed as pflag does. Flags override every file.

Sources: cmd/kubelet/app/options/options.go and cmd/kubelet/app/server.go of 1.36.3;
tests/kubelet/cases record the results of that kubelet's parser.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kubevouch.kubelet.errors import ConfigurationError

CERT_DIR: Final = "/var/lib/kubelet/pki"
ROOT_DIR: Final = "/var/lib/kubelet"

# Flags that take no value from the next argument. The last line: flags of older kubelets.
SWITCHES: Final = frozenset(
    """
    anonymous-auth authentication-token-webhook cgroups-per-qos contention-profiling cpu-cfs-quota
    enable-controller-attach-detach enable-debugging-handlers enable-load-reader enable-server exit-on-lock-contention
    experimental-allocatable-ignore-eviction fail-cgroupv1 fail-swap-on help kernel-memcg-notification
    local-storage-capacity-isolation log-cadvisor-usage log-text-split-stream make-iptables-util-chains
    protect-kernel-defaults register-node rotate-certificates rotate-server-certificates runonce seccomp-default
    serialize-image-pulls storage-driver-secure version
    add-dir-header alsologtostderr log-json-split-stream logtostderr one-output skip-headers skip-log-headers
    keep-terminated-pod-volumes redirect-container-streaming really-crash-for-testing
    """.split()  # noqa: SIM905 - as a list it would be a page
)
_TRUE: Final = ("1", "t", "T", "true", "TRUE", "True")
_FALSE: Final = ("0", "f", "F", "false", "FALSE", "False")
_RIGHT: Final = "expected the arguments of a running kubelet"


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of a command line, in order. Names are without leading dashes; values are text."""

    given: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        """The last value of a flag; None if it was not given."""
        return next((value for found, value in reversed(self.given) if found == name), None)

    def switch(self, name: str) -> bool | None:
        """The value of a boolean flag; None if it was not given.

        Raises:
            ConfigurationError: the value is not a boolean, so the kubelet would not start.
        """
        value = self.get(name)
        return None if value is None else _switch(name, value)

    @property
    def feature_gates(self) -> dict[str, bool]:
        """The feature gates of all --feature-gates flags, merged."""
        gates: dict[str, bool] = {}
        for name, value in self.given:
            if name == "feature-gates":
                for word in filter(None, value.split(",")):
                    gate, equals, state = word.partition("=")
                    if not equals:
                        raise ConfigurationError(f"--{name}", f"{word!r}", "expected name=true")
                    gates[gate.strip()] = _switch(f"{name} {gate}", state.strip())
        return gates

    @property
    def config(self) -> str:
        """The path of the configuration file. If empty, the kubelet uses its legacy defaults."""
        return self.get("config") or ""

    @property
    def cert_dir(self) -> str:
        """The folder of the kubelet's certificates. No key of the configuration file sets it."""
        return self.get("cert-dir") or CERT_DIR

    @property
    def kubeconfig(self) -> str:
        """The path of the kubelet's kubeconfig; empty if the kubelet runs without an API server."""
        return self.get("kubeconfig") or ""


def read_flags(argv: Sequence[str]) -> Flags:
    """Parses a command line whose first argument is the program, as in /proc/<pid>/cmdline.

    Raises:
        ConfigurationError: no kubelet would start with these arguments.
    """
    given: list[tuple[str, str]] = []
    words = iter(argv[1:])
    for word in words:
        if word == "--" or not word.startswith("-") or word == "-":
            raise ConfigurationError("kubelet's command line", f"the word {word!r}", _RIGHT)
        name, equals, value = word.lstrip("-").partition("=")
        if not word.startswith("--"):
            # Only -v and -h have a short form: -v 2, -v=2, -v2, -h.
            rest = word[2:].removeprefix("=")
            name, equals, value = word[1:2], rest and "=", rest
            if name not in ("v", "h"):
                raise ConfigurationError("kubelet's command line", f"the word {word!r}", _RIGHT)
        # Both spellings are one flag (WordSepNormalizeFunc).
        name = name.replace("_", "-")
        if not equals:
            value = "true" if name in (*SWITCHES, "h") else next(words, "")
        given.append((name, value))
    return Flags(tuple(given))


def _switch(name: str, value: str) -> bool:
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ConfigurationError(f"--{name}", f"{value!r}", "expected true or false")
