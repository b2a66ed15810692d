"""Plain and tagged scalars of YAML, keys and merges, and what Go makes of each: kubectl as the oracle.

    python -m tests.kubeconfig.scalars [PATH-OF-KUBECTL]

writes scalars.json anew: a text, and the JSON that kubectl prints for it, or null where it refuses the file.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.kubeconfig.bench import run

JSON = Any
RECORDED = Path(__file__).parent / "scalars.json"

_WORDS = (
    "y Y yes Yes YES yEs n N no No NO true True TRUE tRue false False FALSE on On ON off Off OFF oN"
)
_NUMBERS = (
    "0 00 01 007 08 09 010 -0 -1 +1 1_000 _1 1_ 1__2 0x1F 0X1f 0x 0xg 0o14 0O14 0o8 0b101 0B11 -0b11 +0b1 0b2 "
    "1. .5 -.5 +.5 . .. ... 1.5 1e3 1E3 1e+3 1e-3 1e 1.e3 .5e3 1.5e 1e999 -1e999 1_0.5 1.5_0 .5_0 "
    "9223372036854775807 9223372036854775808 18446744073709551615 18446744073709551616 -9223372036854775808 "
    "-9223372036854775809 123456789012345678901234567890 0x1_F 0b1_1 0o1_4 1:30 12:30:45 190:20:30.15 -1:30 "
    "0x1p4 1f 1d inf Inf nan NaN infinity .inf .Inf .INF -.inf +.inf .nan .NaN .NAN .nAn -.nan"
)
_OTHERS = (
    "~ null Null NULL nUll Nil none <<"
    " 2001-01-01 2001-1-1 2001-12-14t21:59:43.10-05:00 2001-12-14T21:59:43Z 20010101 2001- 2001-x"
    " a a-b a.b -a +a -- --- = == !!str"
)
_TAGGED = (
    "!!str 1",
    "!!str yes",
    "!!str",
    "!!str null",
    "! 1",
    "'1'",
    '"yes"',
    "'~'",
    '"\\x41\\u00e9\\n"',
    "''",
    '"<<"',
)
_EDGES = (
    "+9223372036854775807 +9223372036854775808 +18446744073709551615 0x7FFFFFFFFFFFFFFF 0xFFFFFFFFFFFFFFFF "
    "0x10000000000000000 -0xFFFFFFFFFFFFFFFF -0x8000000000000000 01777777777777777777777 02000000000000000000000 "
    "0o1777777777777777777777 0o2000000000000000000000 00000000000000000000000000000000000000000000000000000000000000000000001 "
    ".5_ ._5 .5__0 .5e1_0 -._5 +.5_ 5_.5 0_1 0_ 1e+0_3 1e-999"
)
_KEYS_AND_MERGES = (
    "{yes: a, 12: b, 0x1F: c, x: d, 'yes': e}",
    "{9223372036854775807: a}",
    "{9223372036854775808: a}",
    "{~: a}",
    "{[a]: b}",
    "{{a: b}: c}",
    "{2001-01-01: a, 12:30:45: b}",
    "{a: 1, a: 2}",
    "{<<: {a: 1}, a: 2}",
    "{a: 2, <<: {a: 1}}",
    "{<<: [{a: 1}, {a: 2, b: 3}]}",
    "{<<: [[{a: 1}]]}",
    "{<<: 1}",
    "{<<: ~}",
    "{<<: []}",
    "{'<<': {a: 1}}",
    "{!!str <<: {a: 1}}",
    "{x: &x {a: 1}, <<: *x}",
    "{x: &x {a: 1}, <<: [*x, {b: 2}]}",
    "{x: &x [{a: 1}], <<: *x}",
    "{x: &x 1, y: &x 2, z: *x}",
    "{x: &k yes, *k : a}",
    "{x: *x}",
    "[&a [*a]]",
)


def texts() -> list[str]:
    """All of them, as they would stand behind `v: `."""
    plain = [*_WORDS.split(), *_NUMBERS.split(), *_OTHERS.split(), ""]
    return [*dict.fromkeys([*plain, *_TAGGED, *_EDGES.split(), *_KEYS_AND_MERGES])]


def kubeconfig(several: list[str]) -> str:
    """A kubeconfig that holds each text as a value of an extension."""
    items = [
        f"- name: n{index}\n  extension:\n    v: {text}\n" for index, text in enumerate(several)
    ]
    return "extensions:\n" + "".join(items)


async def read_by(kubectl: str, several: list[str], folder: Path) -> list[JSON] | None:
    """What kubectl reads for each; None if it refuses the file."""
    (folder / "config").write_text(kubeconfig(several))
    words = [kubectl, "config", "view", "--raw", "-o", "json", "--kubeconfig=config"]
    environ = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    code, out, _ = await run(words, environ, folder)
    if code:
        return None
    listed = {item["name"]: item["extension"] for item in json.loads(out)["extensions"]}
    return [listed[f"n{index}"] for index in range(len(several))]


async def record(kubectl: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = [[text, await read_by(kubectl, [text], Path(folder))] for text in texts()]
    lines = [json.dumps([text, values and values[0]], ensure_ascii=False) for text, values in found]
    RECORDED.write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    given = sys.argv[1] if len(sys.argv) > 1 else shutil.which("kubectl")
    assert given, "no kubectl"
    asyncio.run(record(given))
