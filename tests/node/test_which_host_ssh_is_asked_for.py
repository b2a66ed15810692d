"""Which host ssh is asked for: names and addresses whose key the operator's known_hosts has, by the real ssh and sshd."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from kubevouch.kube.resources import Node
from kubevouch.node.destination import destination_of
from kubevouch.node.errors import NodeUnreachable, ScriptFailed
from kubevouch.node.io.ssh import Ssh
from kubevouch.node.transport import run_on_first_known
from kubevouch.policy.claims import NameSource
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.look import confirm_addresses, hosts_of, survey_node

from .conftest import Sshd, needs_root, script

UNKNOWN = "no-such-name.invalid"


def node(name: str, *addresses: tuple[str, str]) -> Node:
    claims = [{"type": kind, "address": address} for kind, address in addresses]
    raw = {"metadata": {"name": name}, "status": {"addresses": claims}}
    return msgspec.json.decode(msgspec.json.encode(raw), type=Node)


@dataclass(frozen=True)
class Operator:
    """Somebody with an ssh configuration and known_hosts of their own choice."""

    sshd: Sshd
    folder: Path

    @property
    def port(self) -> str:
        return self.sshd.config.read_text().split("Port ")[1].split()[0]

    def knows(self, *names: str, config: str = "") -> RolloutContext:
        """Their known_hosts has the key of the sshd for these names; config: the first lines of their configuration."""
        key = (self.sshd.folder / "host.pub").read_text()
        hosts = self.folder / "known_hosts"
        hosts.write_text("".join(f"{name} {key}\n" for name in names))
        file = self.folder / "ssh_config"
        file.write_text(
            f"{config}\nHost *\n  Port {self.port}\n  IdentityFile {self.sshd.folder}/user\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {hosts}\n  GlobalKnownHostsFile /dev/null\n  ConnectTimeout 5\n"
        )
        ssh = Ssh(str(file), environment=os.environ)
        return cast("RolloutContext", SimpleNamespace(transport=ssh))

    def hashes_names(self) -> None:
        """As HashKnownHosts does."""
        words = ["ssh-keygen", "-q", "-H", "-f", str(self.folder / "known_hosts")]
        subprocess.run(words, check=True, capture_output=True, timeout=60)

    def at(self, address: str) -> str:
        """As known_hosts writes an address with a port that is not 22."""
        return f"[{address}]:{self.port}"


@pytest.fixture
def operator(sshd: Sshd, tmp_path: Path) -> Operator:
    return Operator(sshd, tmp_path)


BOTH = (("InternalIP", "127.0.0.1"), ("InternalIP", "127.0.0.2"))
ADDRESSES = ("127.0.0.1", "127.0.0.2")


def test_the_name_comes_first_then_internal_addresses_then_external_ones() -> None:
    claims = (("ExternalIP", "203.0.113.9"), ("Hostname", "bastion"), ("InternalIP", "10.0.0.1"),
              ("InternalDNS", "db.corp"), ("InternalIP", "fd00::1"), ("InternalIP", "fe80::1"), ("InternalIP", "-oX"))  # fmt: skip
    assert hosts_of(node("n1", *claims)) == ("n1", "10.0.0.1", "fd00::1", "203.0.113.9")


@needs_root
@pytest.mark.parametrize("name", ["", UNKNOWN])
async def test_a_key_known_for_an_address_proves_that_address_only_one_of_the_name_every_address(
    operator: Operator, name: str
) -> None:
    config = f"Host {name}\n  HostName 127.0.0.1\n  HostKeyAlias {name}" if name else ""
    known = name or operator.at("127.0.0.1")
    context = operator.knows(known, config=config)
    host, surveyed = await survey_node(node(UNKNOWN, *BOTH), context.transport)
    assert (host, surveyed.known_as) == (name or "127.0.0.1", known)
    assert surveyed.host_key == operator.sshd.host_key
    proven = await confirm_addresses(ADDRESSES, host, surveyed, context)
    assert proven == dict.fromkeys(ADDRESSES if name else ADDRESSES[:1], NameSource.SSH_HOST_KEY)


@needs_root
@pytest.mark.parametrize("hashed", [False, True])
async def test_an_alias_of_the_ssh_configuration_will_do(operator: Operator, hashed: bool) -> None:
    context = operator.knows(
        operator.at("127.0.0.2"), config=f"Host {UNKNOWN}\n  HostName 127.0.0.2"
    )
    if hashed:
        operator.hashes_names()
    host, surveyed = await survey_node(node(UNKNOWN), context.transport)
    assert (host, surveyed.known_as) == (UNKNOWN, operator.at("127.0.0.2"))


@needs_root
@pytest.mark.parametrize("said", ["echo welcome", 'echo "kubevouch-answer: {"', "exit 3"])
async def test_a_shell_without_an_answer_is_no_closed_door(operator: Operator, said: str) -> None:
    """ssh to it works, so that nothing would come of making it work."""
    context = operator.knows(operator.at("127.0.0.1"), operator.at("127.0.0.2"))
    with pytest.raises(ScriptFailed) as caught:
        await run_on_first_known("w1", ADDRESSES, script(said), context.transport, timeout=30)
    told = str(caught.value)
    assert "no other address is tried" in told
    assert "make `ssh" not in told


async def test_nothing_is_dialled_where_no_key_is_known(operator: Operator) -> None:
    before = operator.sshd.log()
    context = operator.knows("somebody-else")
    with pytest.raises(NodeUnreachable) as caught:
        await survey_node(node(UNKNOWN, *BOTH), context.transport)
    told = str(caught.value)
    assert (
        f"known_hosts has no key for {UNKNOWN} (as [{UNKNOWN}]:{operator.port}), 127.0.0.1 " in told
    )
    hints = "does not resolve the name|HostName|--ssh-config FILE|ssh-keyscan|compare|/etc/ssh/ssh_host_"
    assert [each for each in hints.split("|") if each not in told] == []
    assert operator.sshd.log() == before


async def test_a_revoked_key_is_no_known_one(operator: Operator) -> None:
    context = operator.knows(f"@revoked {operator.at('127.0.0.1')}")
    assert (await context.transport.destination("127.0.0.1")).is_known is False


@pytest.mark.parametrize("resolved", [False, True])
async def test_a_known_name_that_does_not_answer_is_told_with_what_else_to_try(
    operator: Operator, resolved: bool
) -> None:
    """The addresses are the node's claims: another machine, whose key is known too, could wait there."""
    at_a_closed_port = f"Host {UNKNOWN}\n  HostName 127.0.0.1\n  Port 1" if resolved else ""
    names = ("[127.0.0.1]:1", operator.at(UNKNOWN), operator.at("127.0.0.1"))
    context = operator.knows(*names, config=at_a_closed_port)
    before = operator.sshd.log()
    with pytest.raises(NodeUnreachable) as caught:
        await survey_node(node(UNKNOWN, *BOTH), context.transport)
    told = str(caught.value)
    assert f"make `ssh {UNKNOWN} true` work" in told
    assert ("Could not resolve hostname" in told) is not resolved
    assert ("with Host and HostName settings" in told) is not resolved
    assert operator.sshd.log() == before


PRINTED = "host a\nhostname 10.0.0.1\nport 2222\nuserknownhostsfile /a/b c/kh /d\nglobalknownhostsfile none\n"


def test_what_ssh_prints_of_a_host() -> None:
    found = destination_of("a", PRINTED)
    assert (found.lookup, found.files, found.name) == (
        "[10.0.0.1]:2222",
        ("/a/b c/kh", "/d"),
        "a (as [10.0.0.1]:2222)",
    )
    assert destination_of("a", PRINTED + "hostkeyalias al\n").lookup == "al"


@pytest.mark.parametrize("line", ["knownhostscommand /bin/keys %H\n", "verifyhostkeydns true\n"])
def test_where_keys_come_from_elsewhere_only_a_try_can_tell(line: str) -> None:
    found = destination_of("a", PRINTED + line)
    assert (found.files, found.is_known) == ((), None)
