"""Records what apiserver makes of the queries of lists: `python -m real.oracle.list_options_corpus`.

Queries and answers lie in tests/metrics_api/cases/go-list-options.jsonl, one JSON line each; plain `make test` replays
them. The judge is real/oracle/list_options.
"""

import json
from pathlib import Path
from typing import Any

from real.oracle import judging
from real.oracle.dice import Dice

RECORDED = Path("tests/metrics_api/cases/go-list-options.jsonl")
_JUDGE = Path(__file__).parent / "list_options"

Query = dict[str, list[str]]

OBJECTS = (
    {"namespace": "a", "name": "bare", "labels": {}},
    {"namespace": "a", "name": "web", "labels": {"app": "web", "tier": "1", "in": "in"}},
    {"namespace": "b", "name": "db", "labels": {"app": "db", "tier": "-5", "example.com/x": ""}},
    {"namespace": "b", "name": "web", "labels": {"app": "web", "tier": "+7", "empty": ""}},
    {"namespace": "b", "name": "odd", "labels": {"app": "", "tier": "9223372036854775808"}},
)

_LABELS = (
    "", " ", "app", "!app", "! app", "!!app", "app=web", "app==web", "app===web", "app!=web", "app=!web", "app = web ",
    "app=", "app!=", "app=,tier", "app=web,tier", "app=web,tier=1", "app=web,,tier", "app=web,", ",app", ",", "app web",
    "app in (web)", "app in(web,db)", "app in ( web , db )", "app in (web", "app in web)", "app in web", "app in ()",
    "app in (,)", "app in (web,)", "app in (,web)", "app in (web,,db)", "app in (,,)", "app in (web db)", "app in",
    "app notin (web)", "app notin ()", "notin", "in", "in in (in)", "in=in", "in in (notin, in)", "app in (in",
    "app in (web) tier", "app in (web),tier", "app not in (web)", "tier>0", "tier > -6", "tier<0", "tier<1,tier>-9",
    "tier>x", "tier>", "tier<1.5", "tier>9223372036854775808", "tier>=1", "tier=>1", "tier>+1", "app>1>2", "=", "==",
    "!", "!=", "(", ")", "()", "app(", "app)", "app=(web)", "app=web)", "app=a=b", "app=we b", "-app", "app-", "-app=x",
    "app=-x", "app=x-", "app=a_b.c-d", "app=a/b", "example.com/x", "example.com/x=", "Example.com/x", "example.com/",
    "/x", "a/b/c", "a//b", "example..com/x", "-example.com/x", f"{'a' * 63}", f"{'a' * 64}", f"app={'a' * 63}",
    f"app={'a' * 64}", f"app={'-' * 70}", f"{'a' * 254}/x", f"{'a.' * 120}a/{'x' * 64}", "app=\u00e4", "\u00e4=app",
    "app=web\ttier", "\tapp\r\n", "app\n=\nweb", 'app="web"', "app='web'", "app\\=web", "app<web", "app in (a=b)",
    "app in (!a)", "app in (a),!tier", "!app=web", "!app in (web)", "app,!app", "a!b", "app=web;tier", "app:web", "x=\"q\\",
    "app in (-a,-b)", "tier>-x", "tier>1 2", "app in (a))", "app in ((a)", "app ! in (a)", "app~web", "&&", "=app", ">1",
)  # fmt: skip
_FIELDS = (
    "", ",", "metadata.name=web", "metadata.name==web", "metadata.name!=web", "metadata.name=web,metadata.namespace=b",
    "metadata.namespace=a", "metadata.namespace!=a", "metadata.name=", "metadata.name", "nonsense", "=web", "status.phase=Running",
    "metadata.name=web,status.phase=Running", "metadata.name=we\\b", "metadata.name=we\\,b", "metadata.name=we\\=b",
    "metadata.name=we\\\\b", "metadata.name=a=b", "metadata.name=a,b", "metadata.name=a\\", "metadata.name===web",
    "metadata.name!web", "metadata.name = web", " metadata.name=web", "metadata.name=web ", "x,metadata.name=web", "z=1,a",
    "spec.nodeName=n1", "a=\"b\"", "\"q\"=1", "metadata.name=\u00e4", "\u00e4=1", "metadata.name=web,metadata.name=db", ",,metadata.name=db,",
    "metadata.name!==web", "a\\=b=c", "!=x", "a!=b!=c", "metadata.name=(web)",
)  # fmt: skip


def _together() -> list[Query]:
    """Several things wrong at once: which is said?"""
    return [
        {"labelSelector": ["("], "fieldSelector": ["nonsense"]},
        {"labelSelector": ["app=web"], "fieldSelector": ["metadata.namespace=b"]},
        {"pretty": ["true"], "other": ["x"], "timeout": ["x"]},
    ]


def _thrown(dice: Dice) -> str:
    """Pieces of selectors in no order."""
    pieces = (
        "app",
        "tier",
        "web",
        "1",
        "=",
        "==",
        "!=",
        "!",
        ",",
        "(",
        ")",
        " ",
        "in",
        "notin",
        ">",
        "<",
        "-",
        "/",
        "x",
    )
    return "".join(dice.of(pieces) for _ in range(1 + dice.below(9)))


def questions() -> list[dict[str, Any]]:
    """The same ones each time."""
    dice = Dice("list options")
    queries: list[Query] = [{}]
    queries += [{"labelSelector": [text]} for text in _LABELS]
    queries += [{"labelSelector": [_thrown(dice)]} for _ in range(60)]
    queries += [{"fieldSelector": [text]} for text in _FIELDS]
    queries += _together()
    return [{"query": query, "objects": OBJECTS} for query in queries]


def judged(asked: list[dict[str, Any]], *, fetch: bool = True) -> list[dict[str, Any]]:
    """Go's answers, in the same order. fetch: whether Go may get what it has not on this machine."""
    return judging.judged(_JUDGE, asked, fetch=fetch)


def main() -> None:
    asked = questions()
    RECORDED.parent.mkdir(parents=True, exist_ok=True)
    with RECORDED.open("w", encoding="utf-8") as file:
        for question, answer in zip(asked, judged(asked), strict=True):
            line = {"query": question["query"], "go": answer}
            file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(f"{len(asked)} queries: judged")


if __name__ == "__main__":
    main()
