"""The packed charts and the release notes."""

import re
import tarfile

import pytest

from real import charts

from .conftest import CHARTS, VERSION, Released, shell

pytestmark = pytest.mark.long
IMAGE = f"image.repository=registry.example.com/kubevouch,image.digest=sha256:{'1' * 64}"


@pytest.mark.parametrize(("name", "namespace"), CHARTS.items())
def test_a_packed_chart_renders_as_the_folder_does(
    released: Released, helm: charts.Helm, name: str, namespace: str
) -> None:
    packed, folder = released.dist / f"{name}-{VERSION}.tgz", released.clone / "charts" / name
    said = helm.run("show", "chart", str(packed)).stdout
    assert {f"version: {VERSION}", f"appVersion: {VERSION}"} <= set(said.splitlines())
    ours, theirs = (
        helm.template(each, "--set", IMAGE, release=name, namespace=namespace)
        for each in (packed, folder)
    )
    version = re.compile(r"(app.kubernetes.io/version: |helm.sh/chart: \S+?-(?=\d)).*")
    assert version.sub(r"\1", ours) == version.sub(r"\1", theirs)


@pytest.mark.parametrize("name", CHARTS)
def test_each_time_is_that_of_the_tag(released: Released, name: str) -> None:
    with tarfile.open(released.dist / f"{name}-{VERSION}.tgz") as archive:
        (time,) = {each.mtime for each in archive}
    assert time == int(shell("git", "log", "-1", "--format=%ct", cwd=released.clone))


def test_the_notes_are_the_section_of_this_version(released: Released) -> None:
    notes = (released.dist / "RELEASE-NOTES.md").read_text("utf-8")
    changelog = (released.clone / "CHANGELOG.md").read_text("utf-8")
    assert re.match(rf"## kubevouch {VERSION} \(\d{{4}}-\d\d-\d\d\)\n", notes)
    for line in changelog.split("\n## ")[1].splitlines()[1:]:
        assert re.sub(r"\[|\]\(.*?\)", "", line) in re.sub(r" \((docs/[^)]*)\)", "", notes)
    assert "](" not in notes
    assert "glibc 2.35 or newer" in notes
