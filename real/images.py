"""Container images made of one static program each: a plain tar, one layer, that `ctr images import` takes.

The names are of our own repository, or a pod that asks for one finds it on its node: nothing is ever pulled. Bytes are
the same for the same program.
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from real.layout import IMAGE_REPOSITORY, METRICS_SERVER_VERSION, Folders
from real.processes import run
from real.programs import Programs

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Image:
    """An image: its full name, the program in it, and whether the control plane or the workers run it.

    places: where the program lies; none is /usr/local/bin, by its own name.
    """

    name: str
    program: str
    on_control_plane: bool
    on_workers: bool
    places: tuple[str, ...] = ()


def wanted(programs: Programs, version: str) -> tuple[Image, ...]:
    """The images of a bed. Names and tags of the control plane's are what this very kubeadm asks for."""
    said = run(
        [
            *(programs.paths["kubeadm"], "config", "images", "list"),
            *("--kubernetes-version", f"v{version}", "--image-repository", IMAGE_REPOSITORY),
        ]
    ).stdout.split()
    named = {name.removeprefix(f"{IMAGE_REPOSITORY}/").split(":")[0]: name for name in said}
    masters = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
    return (
        Image(named["pause"], "pause", on_control_plane=True, on_workers=True),
        *(Image(named[name], name, on_control_plane=True, on_workers=False) for name in masters),
        Image(
            f"{IMAGE_REPOSITORY}/metrics-server:v{METRICS_SERVER_VERSION}",
            "metrics-server",
            on_control_plane=False,
            on_workers=True,
        ),
        Image(f"{IMAGE_REPOSITORY}/burner:v1", "burner", on_control_plane=False, on_workers=True),
        # By the name that metrics-server's own e2e tests have for what they measure.
        Image(
            "registry.k8s.io/e2e-test-images/resource-consumer:1.9",
            "consumer",
            on_control_plane=False,
            on_workers=True,
            places=("consume-cpu/consume-cpu", "usr/local/bin/stress"),
        ),
    )


def build(folders: Folders, programs: Programs, images: tuple[Image, ...]) -> Path:
    """Two archives in one folder, `control-plane.tar` and `workers.tar`; made anew if a program or a name changed."""
    key = hashlib.sha256(
        "".join(
            [programs.key, *("".join((image.name, *image.places)) for image in images)]
        ).encode()
    ).hexdigest()[:16]
    folder = folders.cache / "images" / key
    for archive, chosen in (
        ("control-plane.tar", [image for image in images if image.on_control_plane]),
        ("workers.tar", [image for image in images if image.on_workers]),
    ):
        if not (folder / archive).exists():
            folder.mkdir(parents=True, exist_ok=True)
            unfinished = folder / f".{archive}"
            _archive(unfinished, [(image, programs.paths[image.program]) for image in chosen])
            unfinished.rename(folder / archive)
    return folder


def _archive(path: Path, content: list[tuple[Image, Path]]) -> None:
    index = []
    with tarfile.open(path, "w") as archive:
        for image, program in content:
            layer = _layer(image.places or (f"usr/local/bin/{image.program}",), program)
            digest = hashlib.sha256(layer).hexdigest()
            config = json.dumps(_config(image.program, digest), sort_keys=True).encode()
            config_name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add(archive, f"{digest}/layer.tar", layer)
            _add(archive, config_name, config)
            index.append(
                {"Config": config_name, "RepoTags": [image.name], "Layers": [f"{digest}/layer.tar"]}
            )
        _add(archive, "manifest.json", json.dumps(index).encode())


def _layer(places: Sequence[str], program: Path) -> bytes:
    """The program at each place, and an empty /tmp. At /usr/local/bin static pods find it on the PATH."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as layer:
        above = [str(each) for place in places for each in reversed(PurePosixPath(place).parents)]
        for folder in dict.fromkeys(("tmp", *(each for each in above if each != "."))):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            layer.addfile(entry)
        for place in places:
            _add(layer, place, program.read_bytes(), mode=0o755)
    return raw.getvalue()


def _config(name: str, layer_digest: str) -> dict[str, object]:
    return {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/bin"],
            "Entrypoint": [f"/usr/local/bin/{name}"],
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        "history": [{"created_by": f"real/programs: {name}"}],
    }


def _add(archive: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    archive.addfile(entry, io.BytesIO(data))
