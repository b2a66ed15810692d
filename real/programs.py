"""The programs of the cluster, built from pinned Go modules and kept outside the checkout.

A folder of `real/programs/` is a module with its `go.sum`; what is built from it lies in the cache under the
hash of everything that decides the bytes: those files, the flags, the compiler. `go` fetches modules from
wherever it is configured to, and checks each against `go.sum`.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from real.errors import BedError
from real.layout import METRICS_SERVER_VERSION, Folders
from real.processes import held, run
from real.progress import step

SOURCES = Path(__file__).parent / "programs"
_GO_SETTINGS = ("CGO_ENABLED=0", "GOTOOLCHAIN=local", "GOFLAGS=-mod=readonly", "GOWORK=off")
_KUBERNETES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubeadm",
    "kubectl",
    "kubelet",
)


@dataclass(frozen=True)
class Module:
    """A folder of `real/programs/`, the packages to build in it (program -> package), version stamps, and build tags.

    tests: the programs are the packages' tests.
    rewritten: the package whose only file of tests is built in the place of those here, which are not there.
    otherwise: what that file says, and what it says here.
    """

    folder: str
    packages: Mapping[str, str]
    stamps: Mapping[str, str]
    tags: tuple[str, ...] = ()
    tests: bool = False
    rewritten: str = ""
    otherwise: tuple[tuple[str, str], ...] = ()

    def flags(self) -> list[str]:
        """What `go build` is told, besides where to put what."""
        stamped = " ".join(f"-X {name}={value}" for name, value in sorted(self.stamps.items()))
        tagged = ["-tags", ",".join(self.tags)] if self.tags else []
        return ["-trimpath", "-buildvcs=false", *tagged, "-ldflags", f"-s -w {stamped}".strip()]

    def key(self, compiler: str) -> str:
        """The hash of all that decides the bytes."""
        digest = hashlib.sha256()
        for path in sorted((SOURCES / self.folder).iterdir()):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        digest.update(
            "\0".join([compiler, *self.flags(), *sorted(self.packages.values())]).encode()
        )
        digest.update(repr(self.otherwise).encode() if self.otherwise else b"")
        return digest.hexdigest()[:16]


def kubernetes(version: str) -> Module:
    """All programs of a Kubernetes release, stamped as a release: kubeadm and kubectl refuse v0.0.0."""
    major, minor, _ = version.split(".")
    facts = {
        "gitVersion": f"v{version}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
    }
    return Module(
        folder=f"kubernetes-{version}",
        packages={name: f"k8s.io/kubernetes/cmd/{name}" for name in _KUBERNETES},
        stamps={
            f"{package}.{fact}": value
            for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
            for fact, value in facts.items()
        },
    )


ETCD = Module("etcd", {"etcd": "."}, {})
METRICS_SERVER = Module(
    "metrics-server",
    {"metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server"},
    {"k8s.io/client-go/pkg/version.gitVersion": f"v{METRICS_SERVER_VERSION}"},
)
PAUSE = Module("pause", {"pause": "."}, {})
BURNER = Module("burner", {"burner": "."}, {})
CONSUMER = Module("consumer", {"consumer": "."}, {})
METRICS_CLIENTS = Module("metrics-clients", {"metrics-clients": "."}, {})
_THEIR_TESTS = "sigs.k8s.io/metrics-server/test"
METRICS_SERVER_E2E = Module(
    "metrics-server-e2e", {"metrics-server-e2e": _THEIR_TESTS}, {}, tests=True
)
# The same by the typed client of v1, which they do not know yet.
METRICS_SERVER_E2E_V1 = replace(
    METRICS_SERVER_E2E,
    packages={"metrics-server-e2e-v1": "./v1"},
    rewritten=_THEIR_TESTS,
    otherwise=(
        (
            '"k8s.io/metrics/pkg/apis/metrics/v1beta1"',
            'v1beta1 "k8s.io/metrics/pkg/apis/metrics/v1"',
        ),
        ("MetricsV1beta1()", "MetricsV1()"),
    ),
)
PROMETHEUS = Module(
    "prometheus",
    {"prometheus": "github.com/prometheus/prometheus/cmd/prometheus"},
    {"github.com/prometheus/common/version.Version": "0.316.0"},
    # As promtool; its pages for a browser are no part of the module, and are not built.
    tags=("remove_all_sd",),
)
FOR_LONG_TESTS = (METRICS_SERVER_E2E, METRICS_SERVER_E2E_V1, PROMETHEUS)
"""What only long tests run. It is built before the bed is booted, since nothing can be fetched inside its network."""
POWERCUT = Module("powercut", {"powercut": "."}, {})
FLEET = Module("fleet", {"fleet": "."}, {})
HELM = Module(
    "helm",
    {"helm": "helm.sh/helm/v4/cmd/helm"},
    {"helm.sh/helm/v4/internal/version.version": "v4.3.1"},
)
_KREW = "sigs.k8s.io/krew/cmd"
KREW = Module("krew", {name: f"{_KREW}/{name}" for name in ("krew", "validate-krew-manifest")}, {})
REGISTRY = Module(
    "registry", {"registry": "github.com/distribution/distribution/v3/cmd/registry"}, {}
)
CRANE = Module("crane", {"crane": "github.com/google/go-containerregistry/cmd/crane"}, {})
PROMTOOL = Module(
    "promtool",
    {"promtool": "github.com/prometheus/prometheus/cmd/promtool"},
    {},
    # Without what finds services in clouds: it makes most of the program, and rules need none of it.
    tags=("remove_all_sd",),
)


def modules(version: str) -> tuple[Module, ...]:
    """All that a bed of this Kubernetes version is made of."""
    return (PAUSE, BURNER, CONSUMER, ETCD, kubernetes(version), METRICS_SERVER)


@dataclass(frozen=True)
class Programs:
    """Where each program lies; `key` names all of them together."""

    paths: Mapping[str, Path]
    key: str


def build(folders: Folders, wanted: Sequence[Module]) -> Programs:
    """Builds what is not in the cache yet.

    Raises:
        BedError: `go` failed; its own words are in the text.
    """
    compiler = run(["go", "version"]).stdout.strip()
    paths: dict[str, Path] = {}
    keys = []
    for module in wanted:
        key = module.key(compiler)
        kept = folders.cache / "programs" / f"{module.folder}-{key}"
        for name, package in module.packages.items():
            paths[name] = kept / name
            if not paths[name].exists():
                _build_one(module, name, package, kept)
        keys.append(key)
    return Programs(paths, hashlib.sha256("".join(keys).encode()).hexdigest()[:16])


def module_folder(folder: str, path: str) -> Path:
    """The sources of a module that a folder of `real/programs/` pins, fetched if they lack.

    Raises:
        BedError: `go` failed; its own words are in the text.
    """
    asked = ["env", *_GO_SETTINGS, "go", "mod", "download", "-json", path]
    return Path(json.loads(run(asked, folder=SOURCES / folder, seconds=600).stdout)["Dir"])


def _build_one(module: Module, name: str, package: str, kept: Path) -> None:
    kept.mkdir(parents=True, exist_ok=True)
    unfinished = kept / f".{name}.{os.getpid()}"
    with step(f"built {name} ({module.folder})"):
        try:
            verb = ("test", "-c", "-vet=off") if module.tests else ("build",)
            build: list[str | Path] = ["env", *_GO_SETTINGS, "go", *verb, *module.flags()]
            if module.rewritten:
                build += ["-overlay", _overlay(module, package, kept)]
            build += ["-o", unfinished, package]
            # Only root can hold what it starts; the bed is root's, the bench need not be.
            words = build if os.geteuid() else held(build)
            run(words, folder=SOURCES / module.folder, seconds=3000)
            unfinished.rename(kept / name)
        finally:
            unfinished.unlink(missing_ok=True)


def _overlay(module: Module, package: str, kept: Path) -> Path:
    """What makes `go` see the rewritten tests in a folder that has none: nothing of theirs lies in the checkout."""
    asked = ["env", *_GO_SETTINGS, "go", "list", "-f", "{{.Dir}}", module.rewritten]
    folder = SOURCES / module.folder
    (tests,) = Path(run(asked, folder=folder).stdout.strip()).glob("*_test.go")
    text = tests.read_text()
    for said, instead in module.otherwise:
        if said not in text:
            raise BedError(str(tests), "has changed", said)
        text = text.replace(said, instead)
    (kept / tests.name).write_text(text)
    overlay = kept / "overlay.json"
    seen = str(folder / package / tests.name)
    overlay.write_text(json.dumps({"Replace": {seen: str(kept / tests.name)}}))
    return overlay


def sweep(folders: Folders, keep: Programs) -> None:
    """Removes unfinished files of killed builds from the folders that are in use."""
    for folder in {path.parent for path in keep.paths.values()}:
        for unfinished in folder.glob(".*"):
            unfinished.unlink()
    shutil.rmtree(folders.cache / "unfinished", ignore_errors=True)
