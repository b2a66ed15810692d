"""Records how Go's client words a connection that does not come to a handshake: `python -m real.oracle.dial`.

The scripted kubelet of tests/support/scripted misbehaves in every way it knows, and sends every alert there is; Go dials. What
differs from run to run is written as PEER and OURS, and the name server is left out. The answers lie in
tests/tls/cases, where plain `make test` compares them with ours.
"""

import asyncio
import contextlib
import json
import re
from pathlib import Path

from kubevouch.system_clock import SystemClock
from tests.support.scripted.kubelet import WAYS_TO_FAIL, ScriptedKubelet, alert
from tests.support.scripted.nobody import closed_port, silent_port

CASES = Path("tests/tls/cases")
_HERE = Path(__file__).parent


async def record() -> None:
    """Writes the files anew."""
    failures: dict[str, str] = {}
    for name, behaviour in WAYS_TO_FAIL.items():
        async with ScriptedKubelet(behaviour, SystemClock()) as kubelet:
            failures |= await _asked({name: f"127.0.0.1:{kubelet.port}"})
    with closed_port() as port:
        failures |= await _asked({"nobody listens": f"127.0.0.1:{port}"})
    with silent_port() as port:
        failures |= await _asked({"no answer at all": f"127.0.0.1:{port}"})
    failures |= await _asked({"no such name": "kubelet.invalid:10250"})
    failures |= await _asked({"an invalid port": "127.0.0.1:99999"})
    _write("go-failures.json", failures)
    _write("go-alerts.json", await _alerts())


async def _alerts() -> dict[str, str]:
    """Every fatal alert but close_notify."""
    async with contextlib.AsyncExitStack() as stack:
        addresses = {}
        for number in range(1, 256):
            kubelet = ScriptedKubelet(alert(number), SystemClock())
            await stack.enter_async_context(kubelet)
            addresses[str(number)] = f"127.0.0.1:{kubelet.port}"
        return await _asked(addresses)


async def _asked(addresses: dict[str, str]) -> dict[str, str]:
    """What Go says of each address."""
    words = ["go", "run", "./dial", *addresses.values()]
    process = await asyncio.create_subprocess_exec(
        *words, cwd=_HERE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    texts = [str(json.loads(line)["text"]) for line in output.splitlines()]
    return {
        name: _steady(text, address)
        for (name, address), text in zip(addresses.items(), texts, strict=True)
    }


def _steady(text: str, address: str) -> str:
    text = text.replace(address, "PEER")
    text = re.sub(r"127\.0\.0\.1:\d+->", "OURS->", text)
    return re.sub(r" on \S+:53:", ":", text)


def _write(name: str, answers: dict[str, str]) -> None:
    (CASES / name).write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(record())
