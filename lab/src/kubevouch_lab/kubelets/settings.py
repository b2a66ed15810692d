"""What a kubelet is told: its command line, its configuration file and the drop-ins, as it makes one whole of them.

Order (cmd/kubelet/app/server.go): defaults, the file, drop-ins by JSON merge patch, flags. A zero in the file is filled
with the default. Read once, at the start.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from kubevouch import goyaml
from kubevouch_lab.apiserver.patches import merge_patched
from kubevouch_lab.durations import seconds
from kubevouch_lab.nodes.files import NodeFiles
from kubevouch_lab.nodes.services import StartFailure

Document = dict[str, Any]
_DEFAULTS: Final[Document] = goyaml.read(
    resources.files(__package__).joinpath("defaults.yaml").read_bytes()
)
_OMITTED_IF_EMPTY: Final = {
    "staticPodPath", "tlsCertFile", "tlsPrivateKeyFile", "rotateCertificates", "serverTLSBootstrap", "clusterDomain",
    "clusterDNS", "tlsCipherSuites", "tlsMinVersion", "readOnlyPort",
}  # fmt: skip
"""Left out of /configz when false or empty (`omitempty` in staging/src/k8s.io/kubelet/config/v1beta1/types.go)."""
_API_VERSION: Final = "kubelet.config.k8s.io/v1beta1"
_TRUE: Final = {"1", "t", "true", "True", "TRUE", "T"}


@dataclass(frozen=True)
class Settings:
    """All that a kubelet knows at its start. Frozen until the next one."""

    argv: tuple[str, ...]
    document: Document
    """The effective KubeletConfiguration."""
    host: str
    """The host name or --hostname-override, lower case; also the Node's name (no cloud provider here)."""
    own_addresses: tuple[str, ...]
    """--node-ip; two of them, one of each family, on a node with both."""
    cert_dir: str
    kubeconfig: str
    bootstrap_kubeconfig: str

    @property
    def rotates_server(self) -> bool:
        """serverTLSBootstrap, by file or by --rotate-server-certificates."""
        return bool(self.document["serverTLSBootstrap"])

    @property
    def tls_files(self) -> tuple[str, str]:
        """Both files, tlsCertFile and tlsPrivateKeyFile; empty if the kubelet signs its own or asks."""
        return self.document["tlsCertFile"], self.document["tlsPrivateKeyFile"]

    @property
    def client_ca(self) -> str:
        """The file of authorities whose client certificates it knows."""
        found: str = self.document["authentication"]["x509"]["clientCAFile"]
        return found

    @property
    def anonymous(self) -> bool:
        """Who shows nothing is system:anonymous, not 401."""
        return bool(self.document["authentication"]["anonymous"]["enabled"])

    @property
    def token_webhook(self) -> bool:
        """Bearer tokens are shown to the API server."""
        return bool(self.document["authentication"]["webhook"]["enabled"])

    @property
    def always_allow(self) -> bool:
        """Whoever is known may everything."""
        return bool(self.document["authorization"]["mode"] == "AlwaysAllow")

    @property
    def cached(self) -> tuple[float, float, float]:
        """Seconds for which an authentication, a yes and a no are remembered."""
        hooks = self.document["authorization"]["webhook"]
        return (
            seconds(self.document["authentication"]["webhook"]["cacheTTL"]),
            seconds(hooks["cacheAuthorizedTTL"]),
            seconds(hooks["cacheUnauthorizedTTL"]),
        )

    def configz(self, served: tuple[str, str]) -> Document:
        """The body of /configz. served: the self-signed pair, which the kubelet writes into its own configuration."""
        cert, key = served
        shown = self.document | (
            {"tlsCertFile": cert, "tlsPrivateKeyFile": key}
            if cert and not self.tls_files[0]
            else {}
        )
        kept = {
            name: value for name, value in shown.items() if value or name not in _OMITTED_IF_EMPTY
        }
        order = {name: number for number, name in enumerate(_DEFAULTS)}
        names = sorted(kept, key=lambda name: order.get(name, len(order)))
        return {"kubeletconfig": {name: kept[name] for name in names}}


def read_settings(files: NodeFiles, argv: Sequence[str], hostname: str) -> Settings:
    """Raises StartFailure where a real kubelet would not start."""
    flags = flags_of(argv)
    path = flags.get("config", "")
    if not path:
        raise StartFailure("the lab's kubelets require --config")
    merged = _document(files, path, "failed to load kubelet config file")
    for drop_in in _drop_ins(files, flags.get("config-dir", "")):
        merged = merge_patched(merged, _document(files, drop_in, "failed to load drop-in config"))
    document = _with_defaults(_DEFAULTS, merged)
    for name, put in _FLAGS.items():
        if name in flags:
            put(document, flags[name])
    if bool(document["tlsCertFile"]) != bool(document["tlsPrivateKeyFile"]):
        raise StartFailure("invalid configuration: tlsCertFile and tlsPrivateKeyFile go together")
    _check_swap(files, document)
    host = (flags.get("hostname-override") or hostname).strip().lower()
    return Settings(
        argv=tuple(argv),
        document=document,
        host=host,
        own_addresses=tuple(filter(None, flags.get("node-ip", "").split(","))),
        cert_dir=flags.get("cert-dir", "/var/lib/kubelet/pki"),
        kubeconfig=flags.get("kubeconfig", ""),
        bootstrap_kubeconfig=flags.get("bootstrap-kubeconfig", ""),
    )


def _check_swap(files: NodeFiles, document: Document) -> None:
    """pkg/kubelet/cm/container_manager_linux.go, NewContainerManager."""
    lines = files.text("/proc/swaps").strip().splitlines()
    if document["failSwapOn"] and len(lines) > 1:
        why = "running with swap on is not supported, please disable swap or set --fail-swap-on flag to false"
        held = ", ".join(lines)
        raise StartFailure(f"failed to run Kubelet: {why}. /proc/swaps contained: [{held}]")


def flags_of(argv: Sequence[str]) -> dict[str, str]:
    """`--name=value`, `--name value` and bare switches (pflag); the last one wins."""
    found: dict[str, str] = {}
    rest = list(argv[1:])
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "--":
            continue
        name, sign, value = word.lstrip("-").partition("=")
        if not sign:
            value = (
                "true" if name in _SWITCHES or not rest or rest[0].startswith("-") else rest.pop(0)
            )
        found[name] = value
    return found


def _document(files: NodeFiles, path: str, what: str) -> Document:
    try:
        value = copy.deepcopy(_value(files.read(path)))
    except OSError as error:
        why = f"open {path}: {(error.strerror or '').lower()}"
        raise StartFailure(f"{what}, path: {path}, error: {why}") from None
    except goyaml.UnreadableYaml as error:
        raise StartFailure(f"{what}, path: {path}, error: yaml: {error}") from None
    if not isinstance(value, dict) or value.get("kind") != "KubeletConfiguration":
        raise StartFailure(f"{what}, path: {path}, error: Object 'Kind' is missing")
    if value.get("apiVersion") != _API_VERSION:
        why = (
            f'no kind "KubeletConfiguration" is registered for version "{value.get("apiVersion")}"'
        )
        raise StartFailure(f"{what}, path: {path}, error: {why}")
    return value


@lru_cache(maxsize=8)
def _value(data: bytes) -> Any:  # noqa: ANN401 - YAML
    """A thousand kubelets of one lab read the same text."""
    return goyaml.read(data)


def _drop_ins(files: NodeFiles, folder: str) -> list[str]:
    """Names that end in .conf, in lexical order, folders within folders (filepath.WalkDir)."""
    if not folder:
        return []
    root = files.path(folder)
    found = sorted(
        entry.relative_to(root).parts for entry in root.rglob("*.conf") if entry.is_file()
    )
    return ["/".join((folder, *parts)) for parts in found]


def _with_defaults(defaults: Any, said: Any) -> Any:  # noqa: ANN401 - JSON
    """What is said, and the default wherever that is nothing or zero. A key in another case is another key."""
    if not isinstance(said, dict) or not isinstance(defaults, dict):
        unsaid = said is None or (said in ("", "0s", 0, "0") and not isinstance(said, bool))
        return copy.deepcopy(defaults) if unsaid else said
    made = copy.deepcopy(defaults)
    for name, value in said.items():
        made[name] = _with_defaults(defaults[name], value) if name in defaults else value
    return made


def _put(*steps: str) -> Callable[[Document, str], None]:
    def put(document: Document, value: str) -> None:
        at = document
        for step in steps[:-1]:
            at = at[step]
        old = at.get(steps[-1])
        if isinstance(old, bool):
            at[steps[-1]] = value in _TRUE
        else:
            at[steps[-1]] = int(value) if isinstance(old, int) and value.isdecimal() else value

    return put


_FLAGS: Mapping[str, Callable[[Document, str], None]] = {
    "rotate-server-certificates": _put("serverTLSBootstrap"),
    "rotate-certificates": _put("rotateCertificates"),
    "tls-cert-file": _put("tlsCertFile"),
    "tls-private-key-file": _put("tlsPrivateKeyFile"),
    "client-ca-file": _put("authentication", "x509", "clientCAFile"),
    "anonymous-auth": _put("authentication", "anonymous", "enabled"),
    "authentication-token-webhook": _put("authentication", "webhook", "enabled"),
    "authorization-mode": _put("authorization", "mode"),
    "fail-swap-on": _put("failSwapOn"),
    "port": _put("port"),
    "read-only-port": _put("readOnlyPort"),
}
_SWITCHES = {
    "fail-swap-on",
    "rotate-server-certificates",
    "rotate-certificates",
    "anonymous-auth",
    "authentication-token-webhook",
}
