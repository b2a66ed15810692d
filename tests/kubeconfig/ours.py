"""The same questions put to kubevouch, in the same form as the recordings of kubectl.

`python -m tests.kubeconfig.ours` writes the texts of its refusals anew.
"""

import asyncio
import base64
import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

from kubevouch.errors import KubevouchError
from kubevouch.kube.access import cluster_access
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.kubeconfig import Cluster, ExecConfig, User, read_kubeconfig
from tests.kubeconfig.bench import ASKED, REFUSALS, Bench, Case, all_cases, bench
from tests.support.apiservers import MOMENT, PATIENT
from tests.support.clocks import WoundClock

JSON = Any


async def answers(case: Case, at: Bench) -> JSON:
    """What arrived at the server, what a plugin was told, and the error, with placeholders."""
    at.lay(case)
    # A relative $KUBECONFIG counts from the working folder.
    with contextlib.chdir(at.folder):
        return await _answers(case, at)


async def _answers(case: Case, at: Bench) -> JSON:
    error = ""
    try:
        flags = _flags(case, at)
        access = cluster_access(
            at.environ(case),
            kubeconfig=flags.get("kubeconfig", ""),
            context=flags.get("context", ""),
        )
        clock = WoundClock(MOMENT)
        async with ApiClient(access, clock=clock, environ=at.environ(case), limits=PATIENT) as api:
            await api.request("GET", ASKED)
    except KubevouchError as raised:
        error = at.empty(str(raised))
    return {"sent": at.sent(), "plugin": at.told_plugin(), "error": error}


def view(case: Case, at: Bench) -> JSON:
    """The chosen context with its cluster and user, as `kubectl config view --minify --raw` prints it."""
    at.lay(case)
    flags = _flags(case, at)
    with contextlib.chdir(at.folder):
        config = read_kubeconfig(at.environ(case), flags.get("kubeconfig", ""))
    name = flags.get("context") or config.current_context
    context = config.contexts[name]
    here = {"cluster": context.cluster, "user": context.user, "namespace": context.namespace}
    return {
        "name": name,
        "context": {key: value for key, value in here.items() if value or key != "namespace"},
        "cluster": _cluster(config.clusters.get(context.cluster), at),
        "user": _user(config.users.get(context.user), at),
    }


def _flags(case: Case, at: Bench) -> dict[str, str]:
    return {name: at.fill(value) for name, value in case.flags.items()}


def _cluster(cluster: Cluster | None, at: Bench) -> JSON:
    if cluster is None:
        return {}
    found = {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority": cluster.certificate_authority,
        "certificate-authority-data": _base64(cluster.certificate_authority_data),
        "proxy-url": cluster.proxy_url,
        "disable-compression": cluster.disable_compression,
    }
    shown = {key: _emptied(value, at) for key, value in found.items() if value}
    return {"server": "", **shown}


def _user(user: User | None, at: Bench) -> JSON:
    if user is None:
        return {}
    found = {
        "client-certificate": user.client_certificate,
        "client-certificate-data": _base64(user.client_certificate_data),
        "client-key": user.client_key,
        "client-key-data": _base64(user.client_key_data),
        "token": user.token,
        "tokenFile": user.token_file,
        "as": user.impersonate,
        "as-uid": user.impersonate_uid,
        "as-groups": list(user.impersonate_groups),
        "as-user-extra": {key: list(values) for key, values in user.impersonate_extra.items()},
        "username": user.username,
        "password": user.password,
        "auth-provider": (user.auth_provider or {}).get("name"),
        "exec": _exec(user.exec) if user.exec else None,
    }
    return {key: _emptied(value, at) for key, value in found.items() if value}


def _exec(plugin: ExecConfig) -> JSON:
    found = {
        "args": list(plugin.args),
        "env": [{"name": each.name, "value": each.value} for each in plugin.env],
        "apiVersion": plugin.api_version,
        "installHint": plugin.install_hint,
        "provideClusterInfo": plugin.provide_cluster_info,
        "interactiveMode": plugin.interactive_mode,
    }
    return {"command": plugin.command, **{key: value for key, value in found.items() if value}}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _emptied(value: JSON, at: Bench) -> JSON:
    if isinstance(value, str):
        return at.empty(value)
    if isinstance(value, list):
        return [_emptied(inner, at) for inner in value]
    if isinstance(value, dict):
        return {key: _emptied(inner, at) for key, inner in value.items()}
    return value


async def record() -> None:
    """Writes refusals.json anew: to be read by eye before it is kept."""
    with tempfile.TemporaryDirectory() as folder:
        async with bench(Path(folder, "case")) as at:
            said = {case.name: (await answers(case, at))["error"] for case in all_cases()}
    kept = {name: error for name, error in said.items() if error}
    REFUSALS.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(record())
