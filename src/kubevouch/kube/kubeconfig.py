"""Finds, parses and merges kubeconfig files by kubectl's rules.

The structs mirror the file format. As in Go's JSON decoder, null means absent, and unknown fields
are ignored. `access` chooses the context, and reads files that a user or cluster names.

Source: client-go's tools/clientcmd/loader.go and api/v1/{types,conversion,defaults}.go;
docs/reference/kubeconfig.md compares our rules with kubectl's.
"""

import errno
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from kubevouch import goyaml
from kubevouch.kube.errors import KubeconfigError

_DEFAULT_INTERACTIVE = {
    "client.authentication.k8s.io/v1beta1",
    "client.authentication.k8s.io/v1alpha1",
}

_OF_MAPPINGS = {"clusters", "users", "contexts", "extensions", "env"}
"""The fields of a kubeconfig that are lists of mappings. All other lists hold strings."""

T = TypeVar("T")


class EnvironmentVariable(msgspec.Struct, frozen=True):
    """An environment variable for an exec plugin."""

    name: str = ""
    value: str = ""


class ExecConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An exec plugin, a program that prints a credential. A `command` with a slash is an absolute path."""

    command: str = ""
    args: tuple[str, ...] = ()
    env: tuple[EnvironmentVariable, ...] = ()
    api_version: str = ""
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""


class _Extension(msgspec.Struct, frozen=True):
    name: str = ""
    extension: Any = None


class Cluster(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """An entry of `clusters`. where: its position in the file. Paths are absolute."""

    where: str = ""
    server: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    certificate_authority_data: bytes = b""
    proxy_url: str = ""
    disable_compression: bool = False
    extensions: tuple[_Extension, ...] = ()

    @property
    def exec_extension(self) -> object:
        """The cluster's data for exec plugins, in an extension with a reserved name.

        The name is from client-go's client_config.go.
        """
        name = "client.authentication.k8s.io/exec"
        return next((each.extension for each in self.extensions if each.name == name), None)


class User(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """An entry of `users`. where: its position in the file. Paths are absolute. Its repr shows no secret."""

    where: str = ""
    client_certificate: str = ""
    client_certificate_data: bytes = b""
    client_key: str = ""
    client_key_data: bytes = b""
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    username: str = ""
    password: str = ""
    impersonate: str = msgspec.field(default="", name="as")
    impersonate_uid: str = msgspec.field(default="", name="as-uid")
    impersonate_groups: tuple[str, ...] = msgspec.field(default=(), name="as-groups")
    impersonate_extra: dict[str, tuple[str, ...]] = msgspec.field(
        default_factory=dict, name="as-user-extra"
    )
    auth_provider: dict[str, Any] | None = None
    exec: ExecConfig | None = None

    def __repr__(self) -> str:
        return f"User({self.where!r})"


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `contexts`: the names of a cluster and a user, and a namespace. where: its position in the file."""

    where: str = ""
    cluster: str = ""
    user: str = ""
    namespace: str = ""


class _Entry(msgspec.Struct, frozen=True):
    """An entry of `clusters`, `users` or `contexts`. Besides `name`, only one field is set."""

    name: str = ""
    cluster: Cluster = Cluster()
    user: User = User()
    context: Context = Context()


class _File(msgspec.Struct, frozen=True):
    version: str = msgspec.field(default="", name="apiVersion")
    kind: str = ""
    clusters: tuple[_Entry, ...] = ()
    users: tuple[_Entry, ...] = ()
    contexts: tuple[_Entry, ...] = ()
    current_context: str = msgspec.field(default="", name="current-context")


class Kubeconfig(msgspec.Struct, frozen=True, kw_only=True):
    """One kubeconfig, or several merged ones. `looked`: the paths that were tried; `files`: those that exist."""

    looked: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    clusters: dict[str, Cluster] = msgspec.field(default_factory=dict)
    users: dict[str, User] = msgspec.field(default_factory=dict)
    contexts: dict[str, Context] = msgspec.field(default_factory=dict)
    current_context: str = ""


def read_kubeconfig(environ: Mapping[str, str], explicit: str = "") -> Kubeconfig:
    """The kubeconfig that kubectl would use.

    It is from `explicit` (--kubeconfig), else from $KUBECONFIG, else from ~/.kube/config. Merges
    the files that $KUBECONFIG lists, and skips missing files. An explicit file must exist. Raises
    KubeconfigError if a file cannot be read.
    """
    paths = _paths(environ, explicit)
    found = [config for path in paths if (config := _read_file(path)) is not None]
    if explicit and not found:
        raise KubeconfigError(explicit, "no such file", "expected an existing file")
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
    """The contents of a file. Raises KubeconfigError at `where` if it is unreadable or longer than 1 MiB."""
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
    """Parses a kubeconfig file. Relative paths in it are relative to the folder of `path`."""
    try:
        file = read_as(_File, goyaml.read(data), path)
    except goyaml.UnreadableYaml as error:
        raise KubeconfigError(path, str(error), "expected a kubeconfig") from None
    if file.version not in ("", "v1") or file.kind not in ("", "Config"):
        seen = f"apiVersion {file.version or 'v1'}, kind {file.kind or 'Config'}"
        raise KubeconfigError(path, seen, "expected apiVersion v1, kind Config")
    base = os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120 - lexical, as Go's filepath
    return Kubeconfig(
        looked=(path,),
        files=(path,),
        clusters={
            each.name: msgspec.structs.replace(
                each.cluster,
                where=where,
                certificate_authority=_absolute(each.cluster.certificate_authority, base),
            )
            for each, where in _located(file.clusters, path, "cluster")
        },
        users={
            each.name: _user(each.user, where, base)
            for each, where in _located(file.users, path, "user")
        },
        contexts={
            each.name: msgspec.structs.replace(each.context, where=where)
            for each, where in _located(file.contexts, path, "context")
        },
        current_context=file.current_context,
    )


def read_as(kind: type[T], value: goyaml.Value, where: str) -> T:
    """Converts decoded YAML to a struct.

    The KubeconfigError contains the field but not its value, which may be a secret.
    """
    try:
        return msgspec.convert(_no_nulls({} if value is None else value), kind)
    except msgspec.ValidationError as error:
        seen, _, field = str(error).partition(" - at `$.")
        expected = "expected base64, as from `base64 -w0 FILE`" if "base64" in seen else ""
        place = f"{where}: {field.removesuffix('`')}" if field else where
        raise KubeconfigError(place, seen.lower().replace("`", ""), expected) from None


def _no_nulls(value: goyaml.Value, key: str = "") -> goyaml.Value:
    """The value without nulls, and without line breaks in base64, since Go ignores both.

    A null in a list becomes an empty value. Extensions stay unchanged.
    """
    if isinstance(value, dict) and key != "extension":
        return {each: _no_nulls(inner, each) for each, inner in value.items() if inner is not None}
    if isinstance(value, list) and key != "extension":
        empty: goyaml.Value = {} if key in _OF_MAPPINGS else ""
        return [_no_nulls(empty if inner is None else inner) for inner in value]
    if isinstance(value, str) and key.endswith("-data"):
        return "".join(value.splitlines())
    return value


def _located(entries: tuple[_Entry, ...], path: str, kind: str) -> Iterable[tuple[_Entry, str]]:
    """The entries of a list, each with its position. Raises KubeconfigError if two have the same name."""
    seen: set[str] = set()
    for each in entries:
        if each.name in seen:
            twice = f'the name "{each.name}" occurs twice'
            raise KubeconfigError(f"{path}: {kind}s", twice, "remove one of them")
        seen.add(each.name)
        yield each, f'{path}: {kind}s["{each.name}"].{kind}'


def _user(user: User, where: str, base: str) -> User:
    plugin = user.exec
    if plugin is not None:
        default = "IfAvailable" if plugin.api_version in _DEFAULT_INTERACTIVE else ""
        named = os.sep not in plugin.command
        plugin = msgspec.structs.replace(
            plugin,
            command=plugin.command if named else _absolute(plugin.command, base),
            interactive_mode=plugin.interactive_mode or default,
        )
    return msgspec.structs.replace(
        user,
        where=where,
        client_certificate=_absolute(user.client_certificate, base),
        client_key=_absolute(user.client_key, base),
        token_file=_absolute(user.token_file, base),
        exec=plugin,
    )


def _absolute(path: str, base: str) -> str:
    """The path, resolved against `base`, the folder of its kubeconfig."""
    if not path or os.path.isabs(path):  # noqa: PTH117 - lexical, as Go's filepath
        return path
    return os.path.normpath(os.path.join(base, path))  # noqa: PTH118 - the same


def names(known: Iterable[str]) -> str:
    """The first eight names in alphabetical order, for a message."""
    listed = sorted(known)
    return ", ".join(f'"{name}"' for name in listed[:8]) + (", ..." if len(listed) > 8 else "")
