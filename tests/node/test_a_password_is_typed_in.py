"""The whole way of a password for sudo: typed in at a real terminal, given to the real sudo by the real ssh."""

from pathlib import Path

import pytest

from tests.cli.program import Program
from tests.support.small_cluster import small_cluster

from .sudo_host import PASSWORD, SHELLS, USER, SudoHost

ASKED = "for sudo on the nodes"


def _config(host: SudoHost, folder: Path) -> str:
    """The machine is node n1, and known under that name."""
    text = host.config.read_text()
    path = folder / "ssh_config"
    path.write_text(text.replace("Host node-1\n", "Host n1 node-1\n  HostKeyAlias node-1\n", 1))
    return str(path)


async def looked(host: SudoHost, folder: Path, *verb: str, typed: str) -> tuple[int, str]:
    """What becomes of a verb that reads, and what was seen of it."""
    async with small_cluster(folder) as cluster:
        kubevouch = Program(folder, {"KUBECONFIG": str(cluster.kubeconfig)})
        words = (*verb, "--ssh-config", _config(host, folder), "--ssh-user", USER)
        ran = await kubevouch.at_a_terminal(
            *words,
            "--ask-sudo-password",
            columns=400,
            typed={ASKED: f"{typed}\n".encode()},
        )
    kept = [each for each in folder.rglob("*") if each.is_file()]
    assert not [each for each in kept if typed in each.read_text(errors="replace")]
    assert typed not in ran.out
    assert ran.out.count(ASKED) == 1
    return ran.code, ran.out


async def test_the_right_one(host: SudoHost, tmp_path: Path) -> None:
    host.allows(f"{USER} ALL=(root) {SHELLS}")
    code, shown = await looked(host, tmp_path, "status", "--node", "n1", typed=PASSWORD)
    assert (code, "untouched" in shown) == (0, True), shown
    assert "COMMAND=" in host.log()


@pytest.mark.parametrize("verb", [("status", "--node", "n1"), ("certs", "--via", "ssh")])
async def test_a_wrong_one(host: SudoHost, tmp_path: Path, verb: tuple[str, ...]) -> None:
    host.allows(f"{USER} ALL=(root) {SHELLS}")
    _, shown = await looked(host, tmp_path, *verb, typed="another one")
    assert "sudo rejected the password" in shown
    assert host.log().count("incorrect password attempt") == 1
