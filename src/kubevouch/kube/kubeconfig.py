"""Kubeconfig files: which ones are read, their contents, and how several are merged, as by kubectl.

Source: client-go's tools/clientcmd/loader.go and api/v1/{types,conversion,defaults}.go; docs/kubeconfig.md is
the comparison, row by row. Choosing the context, and reading files that a user or cluster names, is done in access.py.
"""

import errno
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from kubevouch import goyaml
from kubevouch.kube.errors import KubeconfigError
from kubevouch.kube.fields import Fields

# Reserved name of a cluster's extension that an exec plugin is given (client_config.go).
EXEC_EXTENSION = "client.authentication.k8s.io/exec"
_DEFAULT_INTERACTIVE = {
    "client.authentication.k8s.io/v1beta1",
    "client.authentication.k8s.io/v1alpha1",
}

T = TypeVar("T")


class ExecConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An exec plugin, a program that prints a credential. A `command` with a slash in it has been made absolute."""

    command: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    api_version: str = ""
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `clusters`. Paths are absolute. `exec_extension` is passed to an exec plugin as it is."""

    where: str
    server: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    certificate_authority_data: bytes = b""
    proxy_url: str = ""
    disable_compression: bool = False
    exec_extension: Any = None


class User(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `users`. Paths are absolute. Its repr shows no secret."""

    where: str
    client_certificate: str = ""
    client_certificate_data: bytes = b""
    client_key: str = ""
    client_key_data: bytes = b""
    token: str = ""
    token_file: str = ""
    username: str = ""
    password: str = ""
    impersonate: str = ""
    impersonate_uid: str = ""
    impersonate_groups: tuple[str, ...] = ()
    impersonate_extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    auth_provider: str | None = None
    exec: ExecConfig | None = None

    def __repr__(self) -> str:
        return f"User({self.where!r})"


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `contexts`: the names of a cluster and a user, and a namespace."""

    where: str
    cluster: str = ""
    user: str = ""
    namespace: str = ""


class Kubeconfig(msgspec.Struct, frozen=True, kw_only=True):
    """One file or several merged ones. `looked`: the paths that were tried; `files`: those that exist."""

    looked: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    clusters: dict[str, Cluster] = msgspec.field(default_factory=dict)
    users: dict[str, User] = msgspec.field(default_factory=dict)
    contexts: dict[str, Context] = msgspec.field(default_factory=dict)
    current_context: str = ""


def read_kubeconfig(environ: Mapping[str, str], explicit: str = "") -> Kubeconfig:
    """The kubeconfig that kubectl would use: `explicit` (--kubeconfig), else $KUBECONFIG, else ~/.kube/config.

    Several files of $KUBECONFIG are merged. Missing ones are skipped, but an explicit one must exist. Raises
    KubeconfigError if a file cannot be read.
    """
    paths = _paths(environ, explicit)
    found = [config for path in paths if (config := _read_file(path)) is not None]
    if explicit and not found:
        raise KubeconfigError(
            explicit, "no such file", "--kubeconfig must name a file that is there"
        )
    merged = Kubeconfig(looked=paths)
    for config in found:
        merged = Kubeconfig(
            looked=paths,
            files=merged.files + config.files,
            clusters=config.clusters | merged.clusters,
            users=config.users | merged.users,
            contexts=config.contexts | merged.contexts,
            current_context=merged.current_context or config.current_context,
        )
    return merged


def _paths(environ: Mapping[str, str], explicit: str) -> tuple[str, ...]:
    if explicit:
        return (explicit,)
    if listed := environ.get("KUBECONFIG"):
        return tuple(path for path in dict.fromkeys(listed.split(os.pathsep)) if path)
    home = environ.get("HOME")
    return (str(Path(home, ".kube", "config")),) if home else ()


def read_bounded(path: str, where: str, expected: str = "") -> bytes:
    """The contents of a file. Raises KubeconfigError at `where` if it cannot be read or is longer than 1 MiB."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(goyaml.MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        seen = f"cannot be read ({_why(error)})"
        raise KubeconfigError(
            where, seen if where == path else f"{path} {seen}", expected
        ) from error
    if len(data) > goyaml.MAX_BYTES:
        raise KubeconfigError(where, f"{path} is longer than {goyaml.MAX_BYTES} bytes", expected)
    return data


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)


def _read_file(path: str) -> Kubeconfig | None:
    """The kubeconfig in a file; None if the file does not exist."""
    try:
        data = read_bounded(path, path)
    except KubeconfigError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno == errno.ENOENT:
            return None
        raise
    return parse(data, path)


def parse(data: bytes, path: str) -> Kubeconfig:
    """Parses a kubeconfig file. Relative paths in it are resolved against the folder of `path`."""
    try:
        top = Fields.of(goyaml.read(data), path, whole=True)
    except goyaml.UnreadableYaml as error:
        raise KubeconfigError(path, str(error), "a kubeconfig was expected") from None
    _check_kind(top)
    base = os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120 - lexical, as Go's filepath
    return Kubeconfig(
        looked=(path,),
        files=(path,),
        clusters={name: _cluster(at, base) for name, at in top.named("clusters", "cluster")},
        users={name: _user(at, base) for name, at in top.named("users", "user")},
        contexts={name: _context(at) for name, at in top.named("contexts", "context")},
        current_context=top.text("current-context"),
    )


def _check_kind(top: Fields) -> None:
    version, kind = top.text("apiVersion"), top.text("kind")
    if version not in ("", "v1") or kind not in ("", "Config"):
        seen = f"apiVersion {version or 'v1'}, kind {kind or 'Config'}"
        raise KubeconfigError(top.where, seen, "apiVersion v1, kind Config was expected")


def _cluster(at: Fields, base: str) -> Cluster:
    return Cluster(
        where=at.where,
        server=at.text("server"),
        tls_server_name=at.text("tls-server-name"),
        insecure_skip_tls_verify=at.flag("insecure-skip-tls-verify"),
        certificate_authority=_absolute(at.text("certificate-authority"), base),
        certificate_authority_data=at.data("certificate-authority-data"),
        proxy_url=at.text("proxy-url"),
        disable_compression=at.flag("disable-compression"),
        exec_extension=_extensions(at).get(EXEC_EXTENSION),
    )


def _extensions(at: Fields) -> dict[str, Any]:
    extensions: dict[str, Any] = {}
    for item in at.items("extensions"):
        if (name := item.text("name")) in extensions:
            raise at.wrong(
                "extensions", f'the name "{name}" stands there twice', "remove one of them"
            )
        extensions[name] = item.raw("extension")
    return extensions


def _user(at: Fields, base: str) -> User:
    provider = at.inner("auth-provider")
    plugin = at.inner("exec")
    return User(
        where=at.where,
        client_certificate=_absolute(at.text("client-certificate"), base),
        client_certificate_data=at.data("client-certificate-data"),
        client_key=_absolute(at.text("client-key"), base),
        client_key_data=at.data("client-key-data"),
        token=at.text("token"),
        token_file=_absolute(at.text("tokenFile"), base),
        username=at.text("username"),
        password=at.text("password"),
        impersonate=at.text("as"),
        impersonate_uid=at.text("as-uid"),
        impersonate_groups=at.texts("as-groups"),
        impersonate_extra=at.texts_by_key("as-user-extra"),
        auth_provider=provider.text("name") if provider else None,
        exec=_exec(plugin, base) if plugin else None,
    )


def _exec(at: Fields, base: str) -> ExecConfig:
    command, version = at.text("command"), at.text("apiVersion")
    default = "IfAvailable" if version in _DEFAULT_INTERACTIVE else ""
    return ExecConfig(
        command=_absolute(command, base) if os.sep in command else command,
        args=at.texts("args"),
        env=tuple((item.text("name"), item.text("value")) for item in at.items("env")),
        api_version=version,
        install_hint=at.text("installHint"),
        provide_cluster_info=at.flag("provideClusterInfo"),
        interactive_mode=at.text("interactiveMode") or default,
    )


def _context(at: Fields) -> Context:
    return Context(
        where=at.where,
        cluster=at.text("cluster"),
        user=at.text("user"),
        namespace=at.text("namespace"),
    )


def _absolute(path: str, base: str) -> str:
    """The path resolved against the folder of its kubeconfig; an absolute path stays as it is written."""
    if not path or os.path.isabs(path):  # noqa: PTH117 - lexical, as Go's filepath
        return path
    return os.path.normpath(os.path.join(base, path))  # noqa: PTH118 - the same


def names(known: Iterable[str]) -> str:
    """Names for a message: the first few, in order."""
    listed = sorted(known)
    return ", ".join(f'"{name}"' for name in listed[:8]) + (", ..." if len(listed) > 8 else "")
