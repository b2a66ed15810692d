"""Records what kubeadm shows of control planes that it has made itself: `python -m real.oracle.kubeadm_corpus`, as root.

kubeadm knows one folder only, /etc/kubernetes: it gets a tree of its own there, in a mount namespace. What is changed in it, the
files without their keys, and what kubeadm printed lie in tests/inventory/cases/kubeadm.jsonl, a line for each control plane: of all
but the first, the files that differ from those of the first (null: it is not there).
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from real.layout import KUBERNETES_VERSIONS, MASTER, Folders
from real.programs import build, kubernetes

RECORDED = Path("tests/inventory/cases/kubeadm.jsonl")
_THERE = "/etc/kubernetes"
_MADE = f"""\
kubeadm init phase certs all --kubernetes-version v{KUBERNETES_VERSIONS[0]} --apiserver-advertise-address {MASTER.address}
kubeadm init phase kubeconfig all --kubernetes-version v{KUBERNETES_VERSIONS[0]} --apiserver-advertise-address {MASTER.address}
"""
_CONFIG = f"""\
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v{KUBERNETES_VERSIONS[0]}
"""
_CHANGES = {
    "as kubeadm has made it": "",
    "a leaf was renewed for half an hour more than a day": "kubeadm certs renew apiserver --config 30h30m.yaml",
    "a leaf and a kubeconfig have ended": "kubeadm certs renew etcd-peer --config 1s.yaml; kubeadm certs renew scheduler.conf --config 1s.yaml",
    "the cluster's CA is external": f"rm {_THERE}/pki/ca.key",
    "the CA of etcd is external": f"rm {_THERE}/pki/etcd/ca.key",
    "the front proxy's CA is external": f"rm {_THERE}/pki/front-proxy-ca.key",
    "all CAs are external, and a kubeconfig has ended": f"kubeadm certs renew admin.conf --config 1s.yaml; rm {_THERE}/pki/ca.key {_THERE}/pki/etcd/ca.key {_THERE}/pki/front-proxy-ca.key",
    "leaves and kubeconfigs are missing": f"rm {_THERE}/pki/apiserver.crt {_THERE}/pki/etcd/healthcheck-client.crt {_THERE}/admin.conf {_THERE}/super-admin.conf",
    "a control plane that joined": f"rm {_THERE}/super-admin.conf",
    "etcd is external": f"rm -r {_THERE}/pki/etcd {_THERE}/pki/apiserver-etcd-client.*",
}  # fmt: skip
_SECONDS = 3
"""After so many seconds what was made for one has ended, and no residual time is near to another text."""


def _in_place(folder: Path, script: str, kubeadm: Path) -> str:
    """Runs it where the folder is /etc/kubernetes, and below it the working directory has the configurations."""
    mounted = f'set -e; mkdir -p {_THERE}; mount --bind "$0/kubernetes" {_THERE}; cd "$0"; {script}'
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", mounted, folder],
        env={"PATH": f"{kubeadm.parent}:/usr/sbin:/usr/bin:/sbin:/bin"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout


def _recorded(name: str, change: str, made: Path, kubeadm: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "case")
        shutil.copytree(made, folder)
        if change:
            _in_place(folder, change, kubeadm)
            time.sleep(_SECONDS)
        config = "--config external.yaml" if name == "etcd is external" else ""
        asked = f"kubeadm certs check-expiration --kubeconfig /nowhere {config}"
        at = datetime.now(UTC)
        printed = _in_place(folder, asked, kubeadm)
        tree = folder / "kubernetes"
        paths = sorted(path for path in tree.rglob("*") if path.is_file())
        files = {
            f"etc/kubernetes/{path.relative_to(tree)}": re.sub(
                r" *client-key-data: .*\n", "", path.read_text()
            )
            for path in paths
            if path.suffix in {".crt", ".conf"}
        }
        keys = [
            f"etc/kubernetes/{path.relative_to(tree)}" for path in paths if path.suffix == ".key"
        ]
    tables = printed[printed.index("CERTIFICATE  ") :]
    return {"name": name, "at": at.isoformat(), "files": files, "keys": keys, "printed": tables}


def main() -> None:
    """Makes one control plane, changes it in each way, and asks kubeadm."""
    kubeadm = build(Folders.of(os.environ), (kubernetes(KUBERNETES_VERSIONS[0]),)).paths["kubeadm"]
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary, "made")
        (made / "kubernetes").mkdir(parents=True)
        for life in ("1s", "30h30m"):
            text = f"{_CONFIG}certificateValidityPeriod: {life}\n"
            (made / f"{life}.yaml").write_text(text)
        external = "etcd:\n  external:\n    endpoints: [https://10.0.0.9:2379]\n"
        (made / "external.yaml").write_text(_CONFIG + external)
        _in_place(made, _MADE, kubeadm)
        lines = [_recorded(name, change, made, kubeadm) for name, change in _CHANGES.items()]
    first: dict[str, str | None] = lines[0]["files"]
    for each in lines[1:]:
        files = each["files"]
        changed = {path: text for path, text in files.items() if first.get(path) != text}
        each["files"] = changed | {path: None for path in first if path not in files}
    RECORDED.write_text("".join(f"{json.dumps(each)}\n" for each in lines), encoding="utf-8")
    print(f"{len(lines)} control planes: shown by kubeadm")


if __name__ == "__main__":
    main()
