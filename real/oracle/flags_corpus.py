"""Records metrics-server's --help and what it makes of command lines: `python -m real.oracle.flags_corpus`.

The judge is real/oracle/flags, which links metrics-server's own command. Its help lies in
tests/metrics_server/recorded/help.txt, command lines and answers in tests/metrics_server/recorded/command-lines.jsonl, one
JSON line each; plain `make test` replays them.
"""

import json
from pathlib import Path
from typing import Any

from real.oracle import judging

_RECORDED = Path("tests/metrics_server/recorded")
HELP = _RECORDED / "help.txt"
LINES = _RECORDED / "command-lines.jsonl"
_JUDGE = Path(__file__).parent / "flags"
_BUILD = ("-trimpath",)

_FORMS = (
    ["-v=4"],
    ["-v", "4"],
    ["-v4"],
    ["--v=4"],
    ["--v", "4"],
    ["-v"],
    ["-v=x"],
    ["-l", "a=b"],
    ["-l=a=b"],
    ["-la=b"],
    ["--node-selector=a=b,c!=d"],
    ["--kubelet-insecure-tls"],
    ["--kubelet-insecure-tls=false"],
    ["--kubelet-insecure-tls=True"],
    ["--kubelet-insecure-tls=F"],
    ["--kubelet-insecure-tls=0"],
    ["--kubelet-insecure-tls=yes"],
    ["--kubelet-insecure-tls="],
    ["--kubelet-insecure-tls", "false"],
    ["--kubelet-insecure-tls", "--kubelet-insecure-tls=false"],
    ["--kubelet-use-node-status-port", "--metric-resolution=15s"],
    ["--kubelet-use-node-status-port", "word", "--metric-resolution=15s"],
    ["word"],
    ["word", "--metric-resolution", "20s"],
    ["-"],
    ["--", "--metric-resolution=1s"],
    ["--metric-resolution=30s", "--", "word"],
    ["--unknown"],
    ["--unknown=value"],
    ["--metric_resolution=15s"],
    ["--metric-resolutio=15s"],
    ["-x"],
    ["--metric-resolution"],
    ["--secure-port"],
    ["--secure-port=4443", "--secure-port=10250"],
    ["--secure-port=0x1bb"],
    ["--secure-port=port"],
    ["--secure-port=4443.0"],
    ["--bind-address=::"],
    ["--bind-address=[::1]"],
    ["--bind-address=localhost"],
    ["--kubelet-port=10255"],
    ["--logging-format=json"],
    ["--cert-dir=/tmp"],
)
_DURATIONS = (
    *("15s", "1m", "1m30s", "1h", "90000ms", "1.5m", ".5h", "5.s", "+20s", "1h2m3.5s", "12000000us", "12000000µs"),
    *("30000000000ns", "-20s", "0", "0s", "15", "", "s", "1 m", "1d", "15S", "1m-2s", "1..5s"),
)  # fmt: skip
_LISTS = (
    ["InternalIP,ExternalIP"],
    ["InternalIP", "ExternalIP,Hostname"],
    [""],
    ["", "Hostname"],
    ['"a,b",c'],
    ['"a'],
    ['a"b'],
    ["a", "a"],
)
_INVALID = (
    ["--metric-resolution=9s", "--kubelet-request-timeout=1s"],
    ["--metric-resolution=10s", "--kubelet-request-timeout=9s"],
    ["--metric-resolution=10s"],
    ["--kubelet-request-timeout=0s"],
    ["--kubelet-request-timeout=-1s"],
    ["--kubelet-certificate-authority=a", "--kubelet-insecure-tls"],
    ["--kubelet-client-key=a"],
    ["--kubelet-client-certificate=a"],
    ["--kubelet-client-certificate=a", "--kubelet-client-key=b"],
    ["--deprecated-kubelet-completely-insecure", "--kubelet-insecure-tls"],
    ["--request-timeout=-1s"],
    ["--shutdown-delay-duration=-1s"],
    ["--max-requests-inflight=-1"],
    ["--max-requests-inflight=0"],
    ["--strict-transport-security-directives=max-age=1,preload,includeSubDomains"],
    ["--strict-transport-security-directives=always"],
    ["--logging-format=xml"],
)
_PAIRS = ("a,b", "a,b:c", "a, b : *.c , d", "a", "a,b,c", "a,b:", ",", "a,b:c:d", "")


def questions() -> list[list[str]]:
    """The same command lines each time."""
    asked = [*_FORMS, *([f"--metric-resolution={text}"] for text in _DURATIONS)]
    for values in _LISTS:
        asked.append([f"--kubelet-preferred-address-types={value}" for value in values])
        asked.append(
            [word for value in values for word in ("--requestheader-allowed-names", value)]
        )
    asked += [[f"--tls-sni-cert-key={text}"] for text in _PAIRS]
    return [*asked, ["--tls-sni-cert-key=a,b", "--tls-sni-cert-key", "c,d:e"], *_INVALID]


def judged(asked: list[list[str]], *, fetch: bool = True) -> list[dict[str, Any]]:
    """metrics-server's answers, in the same order. fetch: whether Go may get what it has not on this machine."""
    return judging.judged(_JUDGE, asked, fetch=fetch, build=_BUILD)


def main() -> None:
    """Records the help, and the answers to every question."""
    asked = questions()
    _RECORDED.mkdir(parents=True, exist_ok=True)
    HELP.write_text(judging.said(_JUDGE, "help", build=_BUILD), encoding="utf-8")
    with LINES.open("w", encoding="utf-8") as file:
        for words, answer in zip(asked, judged(asked), strict=True):
            file.write(json.dumps({"words": words, "go": answer}, ensure_ascii=False) + "\n")
    print(f"{len(asked)} command lines: judged")


if __name__ == "__main__":
    main()
