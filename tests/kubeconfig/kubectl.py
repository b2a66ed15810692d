"""kubectl as the oracle: how it reads a case, and what it sends for it.

    python -m tests.kubeconfig.kubectl [PATH-OF-KUBECTL]

records its answers anew, in kubectl.jsonl.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.kubeconfig.bench import ASKED, RECORDED, Bench, Case, all_cases, bench, run

JSON = Any
# Written by kubectl also where a file does not have them.
_ALWAYS = {"args": None, "env": None, "provideClusterInfo": False}


async def answers(kubectl: str, case: Case, at: Bench) -> JSON:
    """view: the minified kubeconfig. sent: what `kubectl get --raw` makes the server see. error: else."""
    at.lay(case)
    explicit = ["--merge=true"] if "kubeconfig" in case.flags else []
    view = [kubectl, "config", "view", "--minify", "--raw", "-o", "json", *explicit]
    environ = at.environ(case)
    code, out, _ = await run([*view, *at.flags(case)], environ, at.folder)
    found: JSON = {"view": _essence(json.loads(at.empty(out))) if code == 0 else None}
    get = [kubectl, "get", "--raw", ASKED, "--request-timeout=20s", *at.flags(case)]
    code, _, err = await run(get, environ, at.folder)
    found |= {"sent": at.sent(), "plugin": at.told_plugin()}
    found["error"] = _first_line(at.empty(err)) if code else ""
    return found


def _essence(view: JSON) -> JSON:
    """The one context with its cluster and user, without what every version prints in its own way."""
    context = (view["contexts"] or [{}])[0]
    cluster = ((view["clusters"] or [{}])[0]).get("cluster", {})
    user = ((view["users"] or [{}])[0]).get("user", {})
    cluster.pop("extensions", None)
    if "exec" in user:
        plugin = user["exec"]
        user["exec"] = {k: v for k, v in plugin.items() if (k, v) not in _ALWAYS.items()}
    return {
        "name": context["name"],
        "context": context["context"],
        "cluster": cluster,
        "user": user,
    }


def _first_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line and not line.startswith(("E1", "W1", "I1"))]
    # A list of duplicates is printed with all its bytes.
    return lines[0].partition(" in list: ")[0] if lines else ""


async def record(kubectl: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with bench(Path(folder, "case")) as at:
            found = [
                {"case": case.name, **await answers(kubectl, case, at)} for case in all_cases()
            ]
    lines = (json.dumps(each, ensure_ascii=False) + "\n" for each in found)
    RECORDED.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    given = sys.argv[1] if len(sys.argv) > 1 else shutil.which("kubectl")
    assert given, "no kubectl"
    asyncio.run(record(given))
