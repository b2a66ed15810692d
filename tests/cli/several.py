"""Many command lines in one process: `python several.py` takes a list of {words, environment} on standard input.

What Python costs to start is paid once. Each line has streams of its own, as a process has.
"""

import io
import json
import os
import sys
from typing import Any

from kubevouch.cli.app import run


def answered(line: dict[str, Any]) -> dict[str, Any]:
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    sys.stdout, sys.stderr = streams
    code = run(line["words"], program="kubevouch", environment=line["environment"])
    texts = []
    for stream in streams:
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return {"code": code, "out": texts[0], "err": texts[1]}


if __name__ == "__main__":
    ours = sys.stdout
    lines = json.load(sys.stdin)
    sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115 - as long as the process
    answers = [answered(line) for line in lines]
    ours.write(json.dumps(answers))
