"""A user who is not root logs in, and sudo makes them root: the real sshd, ssh, sudo and PAM."""

import asyncio
import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kubevouch.node.errors import NodeUnreachable
from kubevouch.node.io import shell
from kubevouch.node.io.ssh import Ssh
from kubevouch.node.io.sudo import SudoEntry, SudoPassword
from kubevouch.node.transport import run_on_first_known

from .conftest import Sshd, _sshd, saying
from .sudo_host import PASSWORD, SHELLS, USER, SudoHost

WHO = saying("$(id -un)")
WAITS = saying("$(id -un)", ": >/run/it-runs; until [ -e /run/go-on ]; do sleep 0.1; done")
ALL_WITHOUT = f"{USER} ALL=(root) NOPASSWD: ALL"
SHELL_WITHOUT = f"{USER} ALL=(root) NOPASSWD: {SHELLS}"
SHELL_WITH = f"{USER} ALL=(root) {SHELLS}"


def typed_in(word: str) -> SudoPassword:
    return SudoPassword(word, secrets.randbits)


async def who(host: SudoHost, **options: object) -> str:
    return (await host.ssh(**options).run_script("node-1", WHO, timeout=60)).answer.said


async def refused(host: SudoHost, why: str | None = None, **options: object) -> None:
    with pytest.raises(NodeUnreachable, match=why):
        await who(host, **options)


TRUE_ONLY = f"{USER} ALL=(root) NOPASSWD: /bin/true, /usr/bin/true"
NEEDED = "expected root, or sudo without a password"


@pytest.mark.parametrize(
    "rules",
    [
        [SHELL_WITHOUT],
        *(
            [ALL_WITHOUT, f"Defaults {also}"]
            for also in (
                "use_pty",
                "!use_pty",
                "log_input, log_output",
                "timestamp_timeout=0",
                "passwd_tries=1",
            )
        ),
    ],
    ids=str,
)
async def test_one_who_is_asked_for_no_password_is_given_none(
    host: SudoHost, rules: list[str]
) -> None:
    host.allows(*rules)
    assert await who(host) == "root"
    password = typed_in("never said")
    assert await who(host, password=password) == "root"
    assert password.taken_at == set()


@pytest.mark.parametrize(
    ("password", "rules", "why"),
    [
        (None, [ALL_WITHOUT, "Defaults requiretty"], "you must have a tty to run sudo"),
        (None, [TRUE_ONLY], NEEDED),
        (None, [SHELL_WITH], rf"a password is required.*{NEEDED}"),
        (PASSWORD, [SHELL_WITH, "Defaults requiretty"], "you must have a tty to run sudo"),
        (PASSWORD, [f"{USER} ALL=(root) /bin/true"], "not allowed to execute"),
        (PASSWORD, [], "is not in the sudoers file"),
    ],
    ids=str,
)
async def test_who_is_not_made_root_is_told_why(
    host: SudoHost, password: str | None, rules: list[str], why: str
) -> None:
    """Nothing of the script has run, so this is no script that failed. A password that would not help is not taken for a wrong one."""
    host.allows(*rules)
    given = typed_in(password) if password else None
    await refused(host, why, password=given)
    assert not (given and given.refused_at)


async def test_a_login_that_works_is_not_advised(host: SudoHost) -> None:
    host.allows(SHELL_WITH)
    with pytest.raises(NodeUnreachable) as told:
        await run_on_first_known("n1", ["127.0.0.1"], WHO, host.ssh(), timeout=60)
    assert "(or --ask-sudo-password)" in str(told.value)
    assert "so no other address is tried" in str(told.value)
    assert "true` work" not in str(told.value)


async def test_a_password_that_sudo_remembers_will_do(host: SudoHost) -> None:
    host.allows(
        f"{USER} ALL=(root) {SHELLS}", "Defaults timestamp_type=global, timestamp_timeout=5"
    )
    await refused(host)
    host.gives_password()
    assert await who(host) == "root"


async def test_a_password_that_was_typed_in_is_given_where_sudo_asks(host: SudoHost) -> None:
    """Each time, and sudo remembers nothing of it."""
    host.allows(
        SHELL_WITH, "Defaults timestamp_type=global, timestamp_timeout=5, log_input, log_output"
    )
    ssh = host.ssh(password=typed_in(PASSWORD))
    for _ in range(2):
        ran = await ssh.run_script("node-1", WHO, timeout=60)
        assert ran.answer.said == "root"
        assert ran.host_key
    # What it ran, not what it was asked for without a password.
    assert host.log().count("TSID=") == 2
    assert not host.remembers()


async def test_a_wrong_password_is_tried_once_in_all(host: SudoHost) -> None:
    """However many nodes wait for it, and however often sudo would ask: accounts are locked after a few."""
    host.allows(SHELL_WITH)
    password = typed_in("another one")
    ssh = host.ssh(password=password)
    nodes = ("node-1", "node-1", "127.0.0.1", "127.0.0.1", "127.0.0.1")
    told = await asyncio.gather(
        *(ssh.run_script(each, WHO, timeout=60) for each in nodes), return_exceptions=True
    )
    assert all(isinstance(each, NodeUnreachable) for each in told)
    said = sorted(str(each) for each in told)
    assert sum(each.endswith("sudo rejected the password") for each in said) == 1, said
    elsewhere = sum("since another node did not accept it" in each for each in said)
    before = sum("so it was not sent again" in each for each in said)
    assert (elsewhere + before, elsewhere >= 2) == (4, True), said
    assert "another one" not in repr((told, password))
    assert host.log().count("incorrect password attempt") == 1
    [asked] = [n for n, each in zip(nodes, told, strict=True) if "sudo rejected" in str(each)]
    with pytest.raises(NodeUnreachable, match="sudo did not accept the password before"):
        await ssh.run_script(asked, WHO, timeout=60)
    assert host.log().count("incorrect password attempt") == 1


_FAILLOCK = """\
auth required pam_faillock.so preauth deny=9 unlock_time=600
auth sufficient pam_unix.so
auth [default=die] pam_faillock.so authfail deny=9 unlock_time=600
account required pam_faillock.so
account required pam_unix.so
session required pam_permit.so
"""


async def test_what_counts_against_the_account(host: SudoHost) -> None:
    """By the tally of PAM itself. A sudo that has asked asks a second time after the wrong one, and its end counts, too."""
    host.allows(SHELL_WITH)
    with host.counting_failures(_FAILLOCK) as failures:
        withheld = typed_in(PASSWORD)
        withheld.refused_at.add("another node")
        for _ in range(3):
            await refused(host, "the password was not sent", password=withheld)
        assert failures() == 0
        wrong = typed_in("another one")
        for _ in range(3):
            await refused(host, password=wrong)
        assert failures() == 2


@pytest.mark.parametrize("word", ["touch {file}", "hunter2", "it's"])
async def test_no_banner_gets_a_password(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, word: str
) -> None:
    """Root logs in, and sudo is not run. The banner, which anybody on the way shows, says all that a former entry had said."""
    file, banner = tmp_path / "made", tmp_path / "banner"
    password = typed_in(word.format(file=file))
    banner.write_text("\n".join(re.findall(r"kubevouch.*?(?:is-asked|: )", _former(password))))
    with contextmanager(_sshd)(tmp_path_factory, f"Banner {banner}\n") as sshd:
        await _root_is_not_asked(sshd, password)
    assert not file.exists()


def _former(password: SudoPassword) -> str:
    shown = SudoEntry(password, "node-1").shell
    assert "is-asked" in shown
    assert "asks for the password: " in shown
    return shown


async def _root_is_not_asked(sshd: Sshd, password: SudoPassword) -> None:
    ssh = Ssh(str(sshd.config), environment=os.environ, password=password)
    assert (await ssh.run_script("node-1", WHO, timeout=60)).answer.said == "root"
    assert (password.taken_at, password.refused_at) == (set(), set())


async def test_a_node_that_gives_no_answer_counts_as_one_that_has_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have counted as a wrong try there. The far side is a script, since it has to be a liar."""
    given = tmp_path / "given"
    monkeypatch.setattr("kubevouch.node.io.sudo._ANSWERS_WITHIN", 0.5)
    password = typed_in("the word")
    for each in ("node-1", "node-1", "node-2"):
        entry = SudoEntry(password, each)
        marks = re.findall(r"kubevouch-[0-9a-f]{16}-is-asked", entry.shell)
        prompt = re.findall(r'-p "([^"]+)"', entry.shell)
        silent = f"echo {marks[0]}; read -r go; [ $go = yes ] || exit 1; printf '%s' '{prompt[0]}' >&2; read -r it; echo \"$it\" >>{given}; sleep 60"
        await shell.run(
            ["sh", "-c", silent], stdin=b"", environment=os.environ, timeout=5, before=entry.enter
        )
        assert not entry.is_root
    assert given.read_text() == "the word\n"


async def test_a_wrong_password_is_known_where_sudo_asks_only_once(host: SudoHost) -> None:
    host.allows(SHELL_WITH, "Defaults passwd_tries=1")
    password = typed_in("another one")
    await refused(host, "sudo rejected the password", password=password)
    assert password.refused_at


async def test_a_refusal_holds_no_other_node_once_another_has_taken_it(host: SudoHost) -> None:
    host.allows(SHELL_WITH)
    password = typed_in(PASSWORD)
    assert await who(host, password=password) == "root"
    host.allows(f"{USER} ALL=(root) /bin/true")
    await refused(host, "not allowed to execute", password=password)
    host.allows(SHELL_WITH)
    assert await who(host, password=password) == "root"


async def test_a_password_that_was_changed_meanwhile_is_tried_once(host: SudoHost) -> None:
    host.allows(SHELL_WITH)
    password = typed_in(PASSWORD)
    assert await who(host, password=password) == "root"
    host.has_password("a newer one")
    try:
        for seen in ("rejected the password", "so it was not sent again"):
            await refused(host, seen, password=password)
    finally:
        host.has_password(PASSWORD)
    assert host.log().count("incorrect password attempt") == 1
    await refused(host, "sudo did not (get|accept) the password", password=password)


async def test_the_password_stands_nowhere(host: SudoHost) -> None:
    """On no command line, in no environment and no file, while the script runs and after it; nor does sudo's own log hold it."""
    host.allows(SHELL_WITH, "Defaults log_input, log_output, !compress_io")
    task = asyncio.create_task(
        host.ssh(password=typed_in(PASSWORD)).run_script("node-1", WAITS, timeout=60)
    )
    async with asyncio.timeout(60):
        while not host.has("/run/it-runs"):
            await asyncio.sleep(0.05)
        assert host.holding("asks for the password")  # whoever looks so finds sudo's own words
        assert host.holding(PASSWORD) == []
        assert [each for each in _command_lines_here() if PASSWORD.encode() in each] == []
        host.put("/run/go-on")
        assert (await task).answer.said == "root"
    assert any("sudo-io" in each for each in host.holding("until [ -e /run/go-on ]"))
    assert host.holding(PASSWORD) == []


def _command_lines_here() -> Iterator[bytes]:
    for each in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                yield (each / name).read_bytes()


async def test_a_script_that_is_long_comes_through_whole(host: SudoHost) -> None:
    host.allows(SHELL_WITH, "Defaults log_input, use_pty")
    long = saying("$(id -un)", ": a line of it\n" * 20000)
    ssh = host.ssh(password=typed_in(PASSWORD))
    assert (await ssh.run_script("node-1", long, timeout=60)).answer.said == "root"


async def test_nothing_stays_where_one_is_cancelled_that_waits_for_its_turn(host: SudoHost) -> None:
    host.allows(SHELL_WITH)
    ssh = host.ssh(password=typed_in("another one"))
    tasks = [asyncio.create_task(ssh.run_script("node-1", WHO, timeout=60)) for _ in range(2)]
    async with asyncio.timeout(60):
        while not host.runs("sudo"):
            await asyncio.sleep(0.01)
        for each in tasks:
            each.cancel()
        for each in tasks:
            with pytest.raises(asyncio.CancelledError):
                await each
        while host.runs("sudo"):
            await asyncio.sleep(0.05)
    assert await who(host, password=typed_in(PASSWORD)) == "root"
