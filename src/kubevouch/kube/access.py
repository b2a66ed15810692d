"""Access to one API server (URL, CAs, user): from a kubeconfig's context or a pod's service account.

The rules are kubectl's, from client-go's
tools/clientcmd/{client_config,validation,merged_client_builder}.go. docs/reference/kubeconfig.md
lists the intended differences. This module opens no connection and runs no plugin.
"""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import msgspec

from kubevouch.kube.errors import KubeconfigError
from kubevouch.kube.kubeconfig import (
    Cluster,
    Context,
    ExecConfig,
    Kubeconfig,
    User,
    names,
    read_bounded,
    read_kubeconfig,
)
from kubevouch.kube.proxy import checked_proxy, environment_proxy

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class LoopbackKubelets(msgspec.Struct, frozen=True):
    """Loopback addresses of kubelets, for a cluster that runs entirely on this machine.

    The operator lists them in the file that $KUBEVOUCH_LOOPBACK_ADDRESSES names. shared: the
    addresses that several kubelets use, each kubelet with its own port. Both fields are empty for
    ordinary clusters.
    """

    addresses: frozenset[IPv4Address | IPv6Address] = frozenset()
    shared: frozenset[IPv4Address | IPv6Address] = frozenset()


class ClusterAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Everything needed to connect to one API server.

    context: the context's name, "" for a service account. where, cluster: where the context and the
    cluster are defined, for messages. server: the URL without a trailing slash; it may have a path.
    roots: the trusted CAs in PEM, None for the system's. proxy: the proxy's URL or "".
    exec_extension: the cluster entry's data for an exec plugin. loopback: kubelets' loopback
    addresses, from a file that the operator names, never from a kubeconfig.
    """

    context: str
    where: str
    cluster: str
    server: str
    user: User
    namespace: str
    roots: bytes | None = None
    verify: bool = True
    server_name: str = ""
    proxy: str = ""
    compression: bool = True
    exec_extension: object = None
    loopback: LoopbackKubelets = LoopbackKubelets()

    def __repr__(self) -> str:
        """Omits the proxy's URL, which may contain a password, and the extension, which may contain anything."""
        return f"ClusterAccess({self.where!r}, {self.server!r})"


def cluster_access(
    environ: Mapping[str, str],
    *,
    kubeconfig: str = "",
    context: str = "",
    service_account: Path = SERVICE_ACCOUNT,
) -> ClusterAccess:
    """The cluster and user that kubectl would use with these flags and environment variables.

    If no context is selected, a pod uses its service account. Raises KubeconfigError.
    """
    config = read_kubeconfig(environ, kubeconfig)
    in_pod = _in_pod(environ, service_account)
    name = context or config.current_context
    if not name and in_pod:
        return _of_service_account(environ, service_account)
    if not name and not config.clusters:
        raise _nothing(config)
    chosen, cluster, user = _chosen(config, name)
    access = _resolved(name, chosen, cluster, user, environ)
    if in_pod and not chosen.namespace:
        return msgspec.structs.replace(access, namespace=_pod_namespace(environ, service_account))
    return access


def _nothing(config: Kubeconfig) -> KubeconfigError:
    looked = ", ".join(config.looked) or "$KUBECONFIG, $HOME"
    seen = "no cluster" if config.files else "no such file"
    return KubeconfigError(looked, seen, "set --kubeconfig or $KUBECONFIG")


def _chosen(config: Kubeconfig, name: str) -> tuple[Context, Cluster, User]:
    where = ", ".join(config.files or config.looked)
    if not name:
        expected = f"choose one with --context: {names(config.contexts)}"
        raise KubeconfigError(where, "no current-context", expected)
    if name not in config.contexts:
        known = f"known contexts: {names(config.contexts)}" if config.contexts else "no contexts"
        raise KubeconfigError(where, f'context "{name}" does not exist', known)
    context = config.contexts[name]
    if not context.cluster:
        expected = f"expected one of the clusters {names(config.clusters)}"
        raise KubeconfigError(context.where, "no cluster", expected)
    for kind, wanted, there in (
        ("cluster", context.cluster, config.clusters),
        ("user", context.user, config.users),
    ):
        if wanted and wanted not in there:
            where, seen = f"{context.where}.{kind}", f'{kind} "{wanted}" does not exist'
            raise KubeconfigError(where, seen, f"known {kind}s: {names(there)}")
    nobody = User(where=f"{context.where}.user")
    return context, config.clusters[context.cluster], config.users.get(context.user, nobody)


def _resolved(
    name: str, context: Context, cluster: Cluster, user: User, environ: Mapping[str, str]
) -> ClusterAccess:
    check_user(user)
    roots = _roots(cluster)
    server = _server(cluster)
    if cluster.proxy_url:
        proxy = checked_proxy(cluster.proxy_url, f"{cluster.where}.proxy-url")
    else:
        proxy = environment_proxy(server, environ)
    if server.startswith("http:"):
        user = without_credentials(user)
    elif not can_identify(user):
        raise KubeconfigError(
            user.where,
            "no token, client certificate, password or exec plugin",
            "add a credential; kubectl would prompt for one",
        )
    return ClusterAccess(
        context=name,
        where=context.where,
        cluster=cluster.where,
        server=server,
        user=user,
        namespace=context.namespace or "default",
        roots=roots,
        verify=not cluster.insecure_skip_tls_verify,
        server_name=cluster.tls_server_name,
        proxy=proxy,
        compression=not cluster.disable_compression,
        exec_extension=cluster.exec_extension,
    )


def _roots(cluster: Cluster) -> bytes | None:
    data, file = cluster.certificate_authority_data, cluster.certificate_authority
    where = f"{cluster.where}.certificate-authority"
    if data and file:
        raise KubeconfigError(
            where, "given both as a file and as certificate-authority-data", "remove one of them"
        )
    if (data or file) and cluster.insecure_skip_tls_verify:
        expected = "remove insecure-skip-tls-verify, which ignores the CA"
        raise KubeconfigError(where, "given together with insecure-skip-tls-verify: true", expected)
    if file:
        return read_bounded(file, where, "expected a file with the cluster's CA in PEM")
    return data or None


def _server(cluster: Cluster) -> str:
    """The validated URL of the server. Like kubectl, reads `HOST:PORT` as http even if a CA is given."""
    where, text = f"{cluster.where}.server", cluster.server
    expected = "expected a URL such as https://HOST:6443"
    if not text:
        raise KubeconfigError(where, "empty", expected)
    parts = _split(text if "://" in text else f"http://{text}")
    if parts is None:
        shown = text.rpartition("@")[2]
        raise KubeconfigError(where, f'not a usable URL: "{shown}"', expected)
    if "@" in parts.netloc:
        raise KubeconfigError(where, "contains a user name", "put credentials under `users`")
    return parts._replace(query="", fragment="", path=parts.path.rstrip("/")).geturl()


def _split(text: str) -> SplitResult | None:
    """Splits an http or https URL with a host. Returns None for any other text."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    # urlsplit silently drops some of these characters.
    strange = any(character <= " " or character == "\x7f" for character in text)
    return parts if usable and not strange else None


def _in_pod(environ: Mapping[str, str], service_account: Path) -> bool:
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    return bool(host and port) and (service_account / "token").is_file()


def _of_service_account(environ: Mapping[str, str], service_account: Path) -> ClusterAccess:
    """A pod's access, like client-go's rest.InClusterConfig, but the CA file must exist."""
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ["KUBERNETES_SERVICE_PORT"]
    where = "service account"
    cluster = Cluster(
        where=where,
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        certificate_authority=str(service_account / "ca.crt"),
    )
    user = User(where=where, token_file=str(service_account / "token"))
    space = _pod_namespace(environ, service_account)
    return _resolved("", Context(where=where, namespace=space), cluster, user, environ)


def _pod_namespace(environ: Mapping[str, str], service_account: Path) -> str:
    if named := environ.get("POD_NAMESPACE"):
        return named
    path = service_account / "namespace"
    if not path.is_file():
        return "default"
    return read_bounded(str(path), str(path)).decode(errors="replace").strip() or "default"


_EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_INTERACTIVE = ("Never", "IfAvailable", "Always")


def check_user(user: User) -> None:
    """Raises KubeconfigError if a credential is unusable, or if two credentials conflict."""
    if user.auth_provider is not None:
        name = user.auth_provider.get("name", "")
        seen = f'the auth-provider "{name}", which client-go no longer supports'
        expected = "use the provider's exec plugin (kubelogin, gke-gcloud-auth-plugin, ...)"
        raise KubeconfigError(f"{user.where}.auth-provider", seen, expected)
    basic = bool(user.username or user.password)
    if basic and (user.token or user.token_file):
        seen = "both a token and a username with password"
        raise KubeconfigError(user.where, seen, "remove one: a request can carry only one")
    _check_certificate(user)
    if user.exec is not None:
        _check_exec(user.exec, f"{user.where}.exec")
    acting = user.impersonate_uid or user.impersonate_groups or user.impersonate_extra
    if acting and not user.impersonate:
        seen = "as-uid, as-groups or as-user-extra is set, but `as` is not"
        raise KubeconfigError(user.where, seen, "set `as` to the user to impersonate")


def can_identify(user: User) -> bool:
    """Whether the user has any credential."""
    certificate = user.client_certificate or user.client_certificate_data
    return bool(certificate or user.token or user.token_file or user.username or user.exec)


def without_credentials(user: User) -> User:
    """The user without secrets, for plain HTTP (client_config.go). Impersonation is kept."""
    return User(
        where=user.where,
        impersonate=user.impersonate,
        impersonate_uid=user.impersonate_uid,
        impersonate_groups=user.impersonate_groups,
        impersonate_extra=user.impersonate_extra,
    )


def _check_certificate(user: User) -> None:
    if not (user.client_certificate or user.client_certificate_data):
        return
    for name, file, data in (
        ("client-certificate", user.client_certificate, user.client_certificate_data),
        ("client-key", user.client_key, user.client_key_data),
    ):
        if file and data:
            seen = f"given both as a file and as {name}-data"
            raise KubeconfigError(f"{user.where}.{name}", seen, "remove one of them")
        if not (file or data):
            expected = "add client-key or client-key-data"
            raise KubeconfigError(f"{user.where}.{name}", "missing", expected)


def _check_exec(plugin: ExecConfig, where: str) -> None:
    if not plugin.command:
        raise KubeconfigError(f"{where}.command", "empty", "expected the plugin's executable")
    if plugin.api_version not in _EXEC_VERSIONS:
        seen, expected = f'"{plugin.api_version}"', f"expected {' or '.join(_EXEC_VERSIONS)}"
        raise KubeconfigError(f"{where}.apiVersion", seen, expected)
    if any(not each.name for each in plugin.env):
        raise KubeconfigError(f"{where}.env", "an entry without a name", "expected name and value")
    if plugin.interactive_mode not in _INTERACTIVE:
        seen, expected = (
            f'"{plugin.interactive_mode}"',
            f"expected one of {', '.join(_INTERACTIVE)}",
        )
        raise KubeconfigError(f"{where}.interactiveMode", seen, expected)
