"""What no folder of files can show: a pod's service account, the environment's proxies, bounds and relics."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from kubevouch.kube.access import cluster_access
from kubevouch.kube.errors import KubeconfigError
from kubevouch.kube.proxy import environment_proxy
from tests.support.authority import Authority

PROXIES = json.loads((Path(__file__).parent / "environment_proxies.json").read_text())
IN_POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
CONFIG = """\
clusters: [{name: c, cluster: {server: "https://10.0.0.1:6443"}}]
users: [{name: u, user: {token: t}}]
contexts:
- {name: x, context: {cluster: c, user: u}}
- {name: other, context: {cluster: c, user: u, namespace: of-the-context}}
current-context: x
"""


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """The folder that the kubelet mounts into a pod."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text("pod-token")
    (folder / "ca.crt").write_bytes(Authority().pem)
    (folder / "namespace").write_text("of-the-pod\n")
    return folder


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "config"
    file.write_text(CONFIG)
    return str(file)


def test_in_a_pod_the_service_account_serves(account: Path) -> None:
    access = cluster_access(IN_POD, service_account=account)
    assert access.server == "https://10.96.0.1:443"
    assert access.user.token_file == str(account / "token")
    assert access.roots == (account / "ca.crt").read_bytes()
    assert (access.verify, access.namespace, access.context) == (True, "of-the-pod", "")


def test_in_a_pod_of_an_ipv6_cluster_the_address_gets_its_brackets(account: Path) -> None:
    environ = {**IN_POD, "KUBERNETES_SERVICE_HOST": "fd00::1"}
    assert cluster_access(environ, service_account=account).server == "https://[fd00::1]:443"


def test_in_a_pod_a_kubeconfig_goes_first(account: Path, config: str) -> None:
    access = cluster_access({**IN_POD, "KUBECONFIG": config}, service_account=account)
    assert access.server == "https://10.0.0.1:6443"


def test_in_a_pod_a_kubeconfig_that_is_missing_is_passed_over_unless_it_was_named(
    account: Path, tmp_path: Path
) -> None:
    missing = str(tmp_path / "missing")
    access = cluster_access({**IN_POD, "KUBECONFIG": missing}, service_account=account)
    assert access.where == "service account"
    with pytest.raises(KubeconfigError, match="no such file"):
        cluster_access(IN_POD, kubeconfig=missing, service_account=account)


@pytest.mark.parametrize("gone", ["token", "ca.crt"])
def test_a_service_account_that_is_not_whole_does_not_serve(account: Path, gone: str) -> None:
    (account / gone).unlink()
    with pytest.raises(KubeconfigError):
        cluster_access(IN_POD, service_account=account)


def test_half_of_the_pods_environment_is_no_pod(account: Path) -> None:
    with pytest.raises(KubeconfigError, match="no such file"):
        cluster_access({"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, service_account=account)


def test_the_namespace_comes_from_the_context_the_pod_or_is_default(
    account: Path, config: str, tmp_path: Path
) -> None:
    outside = {"KUBECONFIG": config}

    def namespace(environ: dict[str, str], context: str = "") -> str:
        return cluster_access(environ, context=context, service_account=account).namespace

    assert namespace(outside) == "default"
    assert namespace(outside, context="other") == "of-the-context"
    assert namespace({**outside, **IN_POD}) == "of-the-pod"
    assert namespace({**outside, **IN_POD}, context="other") == "of-the-context"
    assert namespace({**IN_POD, "POD_NAMESPACE": "named"}) == "named"
    (account / "namespace").unlink()
    assert namespace(IN_POD) == "default"


@pytest.mark.parametrize("case", PROXIES, ids=lambda case: json.dumps(case["environ"]))
def test_the_environment_names_a_proxy_as_it_does_for_go(case: dict[str, Any]) -> None:
    # Recorded from golang.org/x/net/http/httpproxy v0.56.0, Config.ProxyFunc.
    environ: dict[str, str] = case["environ"]
    assert environment_proxy(case["server"], environ) == case["proxy"]
    lower = {name.lower(): value for name, value in environ.items()}
    assert environment_proxy(case["server"], lower) == case["proxy"]


def test_a_proxy_of_the_environment_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(KubeconfigError, match="socks5"):
        environment_proxy("https://api.example", {"HTTPS_PROXY": "socks5://proxy:1080"})
    with pytest.raises(KubeconfigError) as caught:
        environment_proxy("https://api.example", {"HTTPS_PROXY": "ftp://me:secret@proxy:21"})
    assert "secret" not in str(caught.value)


def test_relics_are_not_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / ".kube"
    folder.mkdir()
    (folder / ".kubeconfig").write_text(CONFIG)
    environ = {"HOME": str(tmp_path), "KUBERNETES_MASTER": "http://127.0.0.1:8080"}
    with pytest.raises(KubeconfigError, match="no such file"):
        cluster_access(environ, service_account=tmp_path / "none")
    assert sorted(file.name for file in folder.iterdir()) == [".kubeconfig"]


def test_a_huge_or_endless_file_is_refused(tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    huge.write_bytes(b"#" * (1024 * 1024 + 1))
    for path in (str(huge), "/dev/zero"):
        with pytest.raises(KubeconfigError, match="longer than"):
            cluster_access({}, kubeconfig=path)


def test_a_file_from_a_pipe_is_read(tmp_path: Path) -> None:
    # kubectl --kubeconfig <(command): the shell passes /dev/fd/N
    read, write = os.pipe()
    with os.fdopen(write, "w") as end:
        end.write(CONFIG)
    with os.fdopen(read):
        assert cluster_access({}, kubeconfig=f"/dev/fd/{read}").context == "x"


def test_without_anything_the_error_says_what_to_do() -> None:
    with pytest.raises(KubeconfigError, match="--kubeconfig") as caught:
        cluster_access({})
    assert caught.value.exit_code == 2


def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(
        CONFIG.replace('6443"', '6443", proxy-url: "http://me:plugh@proxy:1"').replace(
            "token: t", "token: xyzzy"
        )
    )
    access = cluster_access({}, kubeconfig=str(file))
    assert "xyzzy" not in repr(access) + repr(access.user) + str(access)
    assert "plugh" not in repr(access)
