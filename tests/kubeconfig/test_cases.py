"""Each case means to kubevouch what it meant to kubectl when its answers were recorded, or differs as documented."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.kubeconfig import kubectl, ours
from tests.kubeconfig.bench import Bench, Case, all_cases, bench, refusals

CASES = all_cases()
REFUSED = refusals()
# What kubectl itself does otherwise in some of its versions; the recordings are of 1.36.3.
_CHANGED = {"a-path-is-a-prefix"}  # `get --raw` of 1.32 leaves the path of the server out
_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


# One loop for the file, in which the servers of all of its cases run.
_in_the_servers_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """For one case after the other: each is laid anew, and what was seen before is forgotten."""
    async with bench(tmp_path_factory.mktemp("cases") / "case") as laid:
        yield laid


def _named(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


@_named([case for case in CASES if case.recorded["view"]])
def test_a_kubeconfig_is_read_as_kubectl_reads_it(case: Case, at: Bench) -> None:
    view = case.recorded["view"]
    found = ours.view(case, at)
    # kubectl prints paths as they are written; that they lead to the right file is seen on the wire.
    for here, there in ((view["cluster"], found["cluster"]), (view["user"], found["user"])):
        for field in _PATHS:
            if here.get(field) and not here[field].startswith("/"):
                assert there[field].startswith("$DIR/")
                there[field] = here[field]
    for plugin in (view["user"].get("exec"), found["user"].get("exec")):
        if plugin:
            plugin["command"] = Path(plugin["command"]).name
    if "auth-provider" in view["user"]:
        view["user"]["auth-provider"] = view["user"]["auth-provider"]["name"]
    assert found == view


@_in_the_servers_loop
@_named(CASES)
async def test_the_server_sees_what_kubectl_would_send(case: Case, at: Bench) -> None:
    recorded = case.recorded
    found = await ours.answers(case, at)
    if case.differs.startswith("refuses"):
        assert (found["sent"], bool(found["error"])) == ([], True)
    else:
        assert found["sent"] == recorded["sent"]
        assert bool(found["error"]) == bool(recorded["error"])
    # Where, and what would be right.
    assert found["error"] == REFUSED.get(case.name, "")
    assert found["plugin"] == recorded["plugin"]


@pytest.mark.long
@_in_the_servers_loop
@pytest.mark.skipif(not shutil.which("kubectl"), reason="no kubectl in the PATH")
@_named([case for case in CASES if case.name not in _CHANGED])
async def test_kubectl_still_answers_as_recorded(case: Case, at: Bench) -> None:
    program = shutil.which("kubectl")
    assert program
    found, recorded = await kubectl.answers(program, case, at), case.recorded
    # The texts of errors change from version to version, and hold times and addresses.
    for answer in (found, recorded):
        answer["error"] = bool(answer["error"])
    assert found == recorded
