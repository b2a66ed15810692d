"""The pages that a kubelet's probes and people with curl read."""

import re

from kubevouch.serve.logs import Log
from kubevouch.serve.messages import HttpRequest, HttpResponse
from kubevouch.serve.probes import NamedCheck, Probes
from tests.support.clocks import WoundClock

LINES: list[str] = []


async def asked(path: str, why: str | None = None, **query: str) -> HttpResponse:
    LINES.clear()
    checks = {
        "readyz": (
            NamedCheck("metric-storage-ready", lambda: why),
            NamedCheck("metric-informer-sync", lambda: None),
        ),
        "livez": (NamedCheck("timely", lambda: why, lambda: {"duration": "23s"}),),
    }
    probes = Probes(checks, Log(LINES.append, WoundClock()))
    assert probes.paths == ("/readyz", "/livez")
    return await probes.answer(HttpRequest("GET", path, {k: (v,) for k, v in query.items()}))


async def test_a_failure_withholds_its_reason_from_everybody_and_tells_the_log() -> None:
    answer = await asked("/readyz", "no metrics to serve")
    assert answer.code == 500
    assert answer.body.decode() == (
        "[+]ping ok\n[+]log ok\n[-]metric-storage-ready failed: reason withheld\n"
        "[+]metric-informer-sync ok\nreadyz check failed\n"
    )
    # As recorded of metrics-server 0.9.0, but for the place that logs.
    recorded = r'^I\d{4} \d\d:\d\d:\d\d\.\d{6}       1 \w+\.py:\d+\] "Failed probe" probe="metric-storage-ready" err="no metrics to serve"\n$'
    assert re.fullmatch(recorded, "".join(LINES))
    await asked("/livez", "late")
    assert LINES[-1].endswith('"Failed probe" probe="timely" err="late" duration="23s"\n')


async def test_a_check_may_be_left_out_or_asked_alone() -> None:
    answer = await asked("/readyz", "no", exclude="metric-storage-ready", verbose="")
    assert answer.code == 200
    assert b"[+]metric-storage-ready excluded: ok\n" in answer.body
    answer = await asked("/readyz", exclude="bogus", verbose="")
    assert b'warn: some health checks cannot be excluded: no matches for "bogus"\n' in answer.body
    answer = await asked("/readyz/metric-storage-ready", "no")
    assert (answer.code, answer.body) == (500, b"internal server error: no\n")
    assert (await asked("/readyz/ping", "no")).body == b"ok"
    assert (await asked("/bogus")).code == 404
