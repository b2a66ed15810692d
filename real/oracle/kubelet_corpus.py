"""Records what a real kubelet makes of configuration files, drop-ins and flags: `python -m real.oracle.kubelet_corpus`.

The judge is real/oracle/kubelet, which links the kubelet's own code. Questions and answers lie in
tests/kubelet/cases/go-configuration.jsonl, the kubelet's keys and flags beside them; `make test` replays them.
"""

import base64
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CASES = Path("tests/kubelet/cases")
_JUDGE = Path(__file__).parent / "kubelet"

HEAD = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
_JSON_HEAD = '{"apiVersion":"kubelet.config.k8s.io/v1beta1","kind":"KubeletConfiguration"'
ON, OFF = f"{HEAD}serverTLSBootstrap: true\n", f"{HEAD}serverTLSBootstrap: false\n"

# One line after the head.
_LINES = {
    "true": "serverTLSBootstrap: true",
    "yes": "serverTLSBootstrap: yes",
    "y": "serverTLSBootstrap: y",
    "On": "serverTLSBootstrap: On",
    "TRUE": "serverTLSBootstrap: TRUE",
    "no": "serverTLSBootstrap: no",
    "in quotes": 'serverTLSBootstrap: "true"',
    "a number": "serverTLSBootstrap: 1",
    "null": "serverTLSBootstrap: ~",
    "nothing": "serverTLSBootstrap:",
    "tagged": 'serverTLSBootstrap: !!bool "true"',
    "tagged a text": "serverTLSBootstrap: !!str true",
    "a tag of its own": "serverTLSBootstrap: !x true",
    "twice, true first": "serverTLSBootstrap: true\nserverTLSBootstrap: false",
    "twice, false first": "serverTLSBootstrap: false\nserverTLSBootstrap: true",
    "wrong case": "ServerTLSBootstrap: true",
    "another wrong case": "serverTlsBootstrap: true",
    "right and wrong case": "ServerTLSBootstrap: true\nserverTLSBootstrap: false",
    "wrong and right case": "serverTLSBootstrap: true\nServerTLSBootstrap: false",
    "unknown key": "nonsense: 1\nserverTLSBootstrap: true",
    "wrong case within": "authentication: {x509: {clientCAfile: /a}}",
    "quoted key": '"serverTLSBootstrap": true',
    "explicit key": "? serverTLSBootstrap\n: true",
    "a tab before the value": "serverTLSBootstrap:\ttrue",
    "a tab after the value": "serverTLSBootstrap: true\t",
    "indented with tabs": "authentication:\n\tanonymous:\n\t\tenabled: true",
    "a NUL": "clusterDomain: a\0b",
    "anchored": "serverTLSBootstrap: &x true\nfailSwapOn: *x",
    "by alias": "failSwapOn: &x true\nserverTLSBootstrap: *x",
    "an alias without an anchor": "serverTLSBootstrap: *x",
    "merged": "x: &x {serverTLSBootstrap: true}\n<<: *x",
    "merged, then set": "x: &x {serverTLSBootstrap: true}\n<<: *x\nserverTLSBootstrap: false",
    "set, then merged": "x: &x {serverTLSBootstrap: true}\nserverTLSBootstrap: false\n<<: *x",
    "merged from a list": "x: &x {serverTLSBootstrap: true}\ny1: &z {serverTLSBootstrap: false}\n<<: [*x, *z]",
    "text for a number": 'port: "10250"',
    "number for a text": "clusterDomain: 12",
    "octal": "healthzPort: 010",
    "octal with an o": "healthzPort: 0o10",
    "underscores": "healthzPort: 10_248",
    "exponent": "healthzPort: 1e4",
    "float": "healthzPort: 10248.0",
    "broken float": "healthzPort: 10248.5",
    "hexadecimal": "healthzPort: 0x10",
    "binary": "healthzPort: 0b11",
    "base sixty": "healthzPort: 1:10",
    "port zero": "port: 0",
    "healthz port zero": "healthzPort: 0",
    "empty texts": 'address: ""\nhealthzBindAddress: ""\nauthorization: {mode: ""}',
    "keys that are no words": "yes: 1\n12: 2",
    "null key": "~: 1",
    "list key": "[a]: 1",
    "null mapping": "authentication: null",
    "list for a mapping": "authentication: [a]",
    "gate in quotes": "featureGates: {RotateKubeletServerCertificate: 'false'}",
    "gate": "featureGates: {RotateKubeletServerCertificate: false}",
    "relative paths": "tlsCertFile: a.crt\ntlsPrivateKeyFile: ./b/../c.key\nauthentication: {x509: {clientCAFile: x/ca.crt}}\nstaticPodPath: manifests",
    "absolute paths": "tlsCertFile: /a/../b.crt\ntlsPrivateKeyFile: /k",
    "nested deeply": f"x: {'[' * 2000}{']' * 2000}",
    "a word that begins a flow": "clusterDomain: a]b",
    "text with a colon": "clusterDomain: a:b",
    "a comment without a space": "clusterDomain: a#b",
    "a block text": "clusterDomain: |\n  cluster.local",
    "a folded text": "clusterDomain: >-\n  cluster\n  local",
    "escapes": 'clusterDomain: "a\\tb\\u00e9\\x41"',
    "two words in quotes": "clusterDomain: 'it''s'",
    "indented list": "tlsCipherSuites:\n  - A\n  - B",
    "list without indent": "tlsCipherSuites:\n- A\n- B",
    "null in a list": "tlsCipherSuites: [A, ~]",
    "timestamp": "clusterDomain: 2001-01-01",
}

# Whole files.
_FILES: dict[str, bytes | str] = {
    "two documents": f"{HEAD}---\nserverTLSBootstrap: true\n",
    "a broken second document": f"{ON}---\n[\n",
    "document start": f"---\n{ON}",
    "document end": f"{ON}...\n",
    "empty first document": f"---\n---\n{HEAD}",
    "comment, then start": f"# c\n---\n{ON}",
    "no end of line": f"{HEAD}serverTLSBootstrap: true",
    "list": "- a\n",
    "word": "hello\n",
    "empty file": "",
    "comment only": "# nothing\n",
    "no kind": "apiVersion: kubelet.config.k8s.io/v1beta1\nserverTLSBootstrap: true\n",
    "no version": "kind: KubeletConfiguration\n",
    "wrong kind": "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: Kubelet\n",
    "wrong version": "apiVersion: kubelet.config.k8s.io/v1\nkind: KubeletConfiguration\n",
    "kind in wrong case": "apiVersion: kubelet.config.k8s.io/v1beta1\nKind: KubeletConfiguration\n",
    "JSON": _JSON_HEAD + ',"serverTLSBootstrap":true}',
    "JSON after white space": "\n  " + _JSON_HEAD + ',"serverTLSBootstrap":true}\n',
    "JSON, wrong case": _JSON_HEAD + ',"ServerTLSBootstrap":true}',
    "JSON, twice": _JSON_HEAD + ',"serverTLSBootstrap":true,"serverTLSBootstrap":false}',
    "JSON with a trailing comma": _JSON_HEAD + ',"serverTLSBootstrap":true,}',
    "JSON, then YAML": _JSON_HEAD + "}\nserverTLSBootstrap: true\n",
    "JSON with a comment": _JSON_HEAD + "} # c\n",
    "flow style": "{apiVersion: kubelet.config.k8s.io/v1beta1, kind: KubeletConfiguration}\n",
    "flow style after a comment": "# c\n{apiVersion: kubelet.config.k8s.io/v1beta1, kind: KubeletConfiguration, serverTLSBootstrap: true,}\n",
    "byte order mark": f"\ufeff{ON}",
    "byte order mark and JSON": "\ufeff" + _JSON_HEAD + ',"serverTLSBootstrap":true}',
    "CR LF": ON.replace("\n", "\r\n"),
    "CR alone": ON.replace("\n", "\r"),
    "Latin-1": f"{HEAD}clusterDomain: café\n".encode("latin-1"),
    "UTF-16": ON.encode("utf-16"),
    "YAML 1.1 directive": f"%YAML 1.1\n---\n{ON}",
    "YAML 1.2 directive": f"%YAML 1.2\n---\n{ON}",
    "bomb": HEAD
    + "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
}  # fmt: skip

_GATES = f"{HEAD}featureGates: {{RotateKubeletServerCertificate: false, CPUManagerPolicyBetaOptions: false}}\n"

# File (None: no --config), drop-ins, flags.
_TOGETHER: dict[str, tuple[str | None, Mapping[str, str] | None, list[str]]] = {
    "flag on": (HEAD, None, ["--rotate-server-certificates"]),
    "flag off": (ON, None, ["--rotate-server-certificates=false"]),
    "flag and a word": (ON, None, ["--rotate-server-certificates", "false"]),
    "flag with underscores": (HEAD, None, ["--rotate_server_certificates=T"]),
    "flag twice": (HEAD, None, ["--rotate-server-certificates", "--rotate-server-certificates=0"]),
    "flag with one dash": (HEAD, None, ["-rotate-server-certificates"]),
    "flag of another value": (HEAD, None, ["--rotate-server-certificates=yes"]),
    "flags with values": (HEAD, None, ["--cert-dir", "/x", "--tls-cert-file=/c", "--tls-private-key-file", "/k", "--hostname-override=H1", "--node-ip", "1.2.3.4", "-v", "2", "--v=3", "-v=4", "-v2"]),
    "flag that swallows another": (HEAD, None, ["--cert-dir", "--rotate-server-certificates"]),
    "end of flags": (HEAD, None, ["--", "--rotate-server-certificates"]),
    "unknown flag": (HEAD, None, ["--nonsense"]),
    "flags of authentication": (HEAD, None, ["--anonymous-auth", "--authentication-token-webhook=false", "--authorization-mode=AlwaysAllow", "--client-ca-file=/ca"]),
    "flags of ports": (HEAD, None, ["--port=10260", "--read-only-port=10255", "--healthz-port", "0", "--address=::", "--healthz-bind-address=::1", "--cluster-domain=x"]),
    "flags of TLS": (HEAD, None, ["--tls-min-version=VersionTLS12", "--tls-cipher-suites=A,B"]),
    "gates by flag and file": (_GATES, None, ["--feature-gates=CPUManagerPolicyBetaOptions=true", "--feature-gates=KubeletCrashLoopBackOffMax=true,ContextualLogging=true"]),
    "broken gate": (HEAD, None, ["--feature-gates=ContextualLogging"]),
    "no file, a flag": (None, None, ["--rotate-server-certificates"]),
    "no file": (None, None, []),
    "drop-in without a file": (None, {"a.conf": HEAD}, []),
    "drop-in": (HEAD, {"10.conf": ON}, []),
    "drop-in and flag": (OFF, {"10.conf": ON}, ["--rotate-server-certificates=false"]),
    "drop-ins by text, not number": (HEAD, {"10.conf": ON, "9.conf": OFF}, []),
    "drop-ins by bytes": (HEAD, {"B.conf": ON, "a.conf": OFF}, []),
    "drop-in folder later": (HEAD, {"10.conf": ON, "10.d/x.conf": OFF}, []),
    "drop-in folder earlier": (HEAD, {"10.conf": ON, "10/x.conf": OFF}, []),
    "drop-in folder before its neighbour": (HEAD, {"a/x.conf": ON, "a-b.conf": OFF}, []),
    "other files": (HEAD, {"10.yaml": ON, "x.CONF": "zzz", "y.conf.bak": "zzz"}, []),
    "drop-in with nothing but its end": (HEAD, {".conf": ON}, []),
    "drop-in takes away": (ON, {"10.conf": f"{HEAD}serverTLSBootstrap: null\n"}, []),
    "drop-in takes a mapping away": (f"{HEAD}authentication: {{anonymous: {{enabled: true}}}}\n", {"10.conf": f"{HEAD}authentication: null\n"}, []),
    "drop-in replaces a list": (f"{HEAD}tlsCipherSuites: [A, B]\n", {"10.conf": f"{HEAD}tlsCipherSuites: [C]\n"}, []),
    "drop-in merges mappings": (f"{_GATES}authentication: {{anonymous: {{enabled: true}}}}\n", {"10.conf": f"{HEAD}featureGates: {{CPUManagerPolicyBetaOptions: true}}\nauthentication: {{webhook: {{enabled: false}}}}\n"}, []),
    "drop-in in wrong case": (HEAD, {"10.conf": f"{HEAD}ServerTLSBootstrap: true\n"}, []),
    "drop-in in wrong case, file off": (OFF, {"10.conf": f"{HEAD}ServerTLSBootstrap: true\n"}, []),
    "drop-in in lower case, file on": (ON, {"10.conf": f"{HEAD}servertlsbootstrap: false\n"}, []),
    "drop-in in wrong case, file on": (ON, {"10.conf": f"{HEAD}ServerTLSBootstrap: false\n"}, []),
    "drop-in in wrong case within": (HEAD, {"10.conf": f"{HEAD}Authentication: {{X509: {{ClientCAFile: /a}}}}\n"}, []),
    "drop-in in wrong case, file anonymous": (f"{HEAD}authentication: {{anonymous: {{enabled: false}}}}\n", {"10.conf": f"{HEAD}authentication: {{anonymous: {{Enabled: true}}}}\n"}, []),
    "drop-in in wrong case of a default": (HEAD, {"10.conf": f"{HEAD}Port: 1\nhealthzport: 2\nReadOnlyPort: 3\nauthentication: {{anonymous: {{Enabled: true}}}}\nClusterDomain: x\nAddress: ::\n"}, []),
    "drop-in in wrong case, file empty": (f"{HEAD}readOnlyPort: 0\nclusterDomain: ''\n", {"10.conf": f"{HEAD}ReadOnlyPort: 3\nClusterDomain: x\n"}, []),
    "drop-in takes a default away": (f"{HEAD}port: 1\n", {"10.conf": f"{HEAD}port: null\nhealthzPort: null\n"}, []),
    "file in wrong case, and a drop-in": (f"{HEAD}ServerTLSBootstrap: true\n", {"10.conf": HEAD}, []),
    "drop-in with an unknown key": (HEAD, {"10.conf": f"{ON}nonsense: 1\n"}, []),
    "drop-in with a key twice": (HEAD, {"10.conf": f"{ON}serverTLSBootstrap: true\n"}, []),
    "drop-in without kind": (HEAD, {"10.conf": "serverTLSBootstrap: true\n"}, []),
    "empty drop-in": (HEAD, {"10.conf": ""}, []),
    "drop-in of another type": (HEAD, {"10.conf": f"{HEAD}serverTLSBootstrap: 'x'\n"}, []),
    "drop-in with a relative path": (f"{HEAD}tlsPrivateKeyFile: k\n", {"10.conf": f"{HEAD}tlsCertFile: x.crt\n"}, []),
    "drop-in in JSON": (HEAD, {"10.conf": _JSON_HEAD + ',"serverTLSBootstrap":true}'}, []),
}  # fmt: skip


def questions() -> list[dict[str, Any]]:
    """All cases, contents in base64 as Go takes them."""
    asked: list[dict[str, Any]] = []
    for name, line in _LINES.items():
        asked.append(_question(name, f"{HEAD}{line}\n", None, []))
    for name, content in _FILES.items():
        asked.append(_question(name, content, None, []))
    for name, (content_or_none, drop_ins, args) in _TOGETHER.items():
        asked.append(_question(name, content_or_none, drop_ins, args))
    return asked


def _question(
    name: str, config: str | bytes | None, drop_ins: Mapping[str, str] | None, args: list[str]
) -> dict[str, Any]:
    packed = None if drop_ins is None else {path: _packed(text) for path, text in drop_ins.items()}
    whole = None if config is None else _packed(config)
    return {"name": name, "config": whole, "drop_ins": packed, "args": args}


def _packed(content: str | bytes) -> str:
    return base64.b64encode(content.encode() if isinstance(content, str) else content).decode()


def record() -> None:
    """Writes the files anew."""
    asked = questions()
    lines = "\n".join(map(json.dumps, asked))
    answers = [json.loads(line) for line in _judge(stdin=lines).splitlines()]
    CASES.mkdir(parents=True, exist_ok=True)
    with (CASES / "go-configuration.jsonl").open("w", encoding="utf-8") as file:
        for question, answer in zip(asked, answers, strict=True):
            assert question["name"] == answer["name"]
            file.write(json.dumps(question | answer) + "\n")
    (CASES / "go-keys.txt").write_text(_judge("keys"), encoding="utf-8")
    (CASES / "go-flags.txt").write_text(_judge("flags"), encoding="utf-8")


def _judge(*words: str, stdin: str = "") -> str:
    return subprocess.run(
        ["go", "run", ".", *words],
        cwd=_JUDGE,
        input=stdin,
        text=True,
        capture_output=True,
        check=True,
    ).stdout


if __name__ == "__main__":
    record()
