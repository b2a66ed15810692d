"""Records what a real kubelet makes of configuration files, drop-ins and flags: `python -m real.oracle.kubelet_corpus`.

The judge is real/oracle/kubelet, which links the kubelet's own code. Questions and answers lie in
tests/kubelet/cases/go-configuration.jsonl, what it reads in the files we have edited in go-edits.jsonl, its keys and
flags beside them; plain `make test` replays all of it.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubevouch.kubelet.splice import Edit, set_server_tls_bootstrap
from real.oracle import judging

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
    "ends with a comment": f"{HEAD}# the end",
    "ends with an indented comment": f"{HEAD}authentication:\n  anonymous:\n    enabled: false\n  # webhook: {{}}\n",
    "ends with a block text": f"{HEAD}clusterDomain: |\n  x\n",
    "ends with a block text and no end of line": f"{HEAD}clusterDomain: |\n  x",
    "ends with kept blank lines": f"{HEAD}clusterDomain: |+\n  x\n\n",
    "ends with a folded text and a comment": f"{HEAD}clusterDomain: >\n  x\n\n# c\n\n",
    "ends with blank lines": f"{HEAD}\n\n",
    "ends with a list": f"{HEAD}tlsCipherSuites:\n- A\n- B\n",
    "ends with an alias": f"{HEAD}failSwapOn: &x false\nseccompDefault: *x\n",
    "indented as a whole": f"---\n  {HEAD.strip().replace(chr(10), chr(10) + '  ')}\n",
    "a key without value, then a comment": f"{HEAD}serverTLSBootstrap:   # later\nport: 10250\n",
    "false, then a comment": f"{HEAD}serverTLSBootstrap: false # never\nport: 10250\n",
    "off in quoted key": f"{HEAD}'serverTLSBootstrap' : off\n",
    "CR LF and no end of line": HEAD.replace("\n", "\r\n").strip(),
    "JSON in lines": '{\n    "apiVersion": "kubelet.config.k8s.io/v1beta1",\n    "kind": "KubeletConfiguration"\n}\n',
    "JSON indented with tabs": '{\n\t"apiVersion": "kubelet.config.k8s.io/v1beta1",\n\t"kind": "KubeletConfiguration"\n}\n',
    "JSON in lines, false": '{\n "apiVersion": "kubelet.config.k8s.io/v1beta1",\n "serverTLSBootstrap" : false ,\n "kind": "KubeletConfiguration"\n}',
    "flow style in lines": "# c\n{\n  apiVersion: kubelet.config.k8s.io/v1beta1,\n  kind: KubeletConfiguration, # last\n}\n",
    "letters of other scripts": f"{HEAD}clusterDomain: 'größe \U0001f600'\n",
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


# The keys that kubevouch reads; an answer holds a hundred more.
_READ = (
    "serverTLSBootstrap", "rotateCertificates", "tlsCertFile", "tlsPrivateKeyFile", "tlsMinVersion", "tlsCipherSuites",
    "authentication", "authorization", "address", "port", "readOnlyPort", "healthzPort", "healthzBindAddress",
    "enableDebuggingHandlers", "clusterDomain", "staticPodPath", "featureGates",
)  # fmt: skip

Question = dict[str, Any]
"""name; config: a text, {"base64": ...} if it is none, null without --config; drop_ins: path -> text; args."""


def questions() -> list[Question]:
    """All cases."""
    alone: dict[str, str | bytes] = {name: f"{HEAD}{line}\n" for name, line in _LINES.items()}
    asked: list[Question] = [
        {"name": name, "config": _shown(content), "drop_ins": None, "args": []}
        for name, content in (alone | _FILES).items()
    ]
    for name, (config, drop_ins, args) in _TOGETHER.items():
        asked.append({"name": name, "config": config, "drop_ins": drop_ins, "args": args})
    return asked


def content_of(shown: str | dict[str, str]) -> bytes:
    """The bytes of a file in a question."""
    return shown.encode() if isinstance(shown, str) else base64.b64decode(shown["base64"])


def _shown(content: str | bytes) -> str | dict[str, str]:
    if isinstance(content, str):
        return content
    return {"base64": base64.b64encode(content).decode()}


def judged(asked: list[Question]) -> list[dict[str, Any]]:
    """What the kubelet answers to each."""
    answers = judging.judged(_JUDGE, map(_packed, asked))
    for question, answer in zip(asked, answers, strict=True):
        assert question["name"] == answer["name"]
        if "configuration" in answer:
            whole = answer["configuration"]
            answer["configuration"] = {key: whole[key] for key in _READ if key in whole}
    return answers


def _packed(question: Question) -> Question:
    """As the judge takes it: contents in base64."""

    def packed(shown: str | dict[str, str]) -> str:
        return base64.b64encode(content_of(shown)).decode()

    config, drop_ins = question["config"], question["drop_ins"]
    return {
        "name": question["name"],
        "args": question["args"],
        "config": None if config is None else packed(config),
        "drop_ins": None
        if drop_ins is None
        else {path: packed(text) for path, text in drop_ins.items()},
    }


def record() -> None:
    """Writes the files anew."""
    asked = questions()
    CASES.mkdir(parents=True, exist_ok=True)
    _write("go-configuration.jsonl", [q | a for q, a in zip(asked, judged(asked), strict=True)])
    edited = [question | {"config": after} for question in asked if (after := _edited(question))]
    _write("go-edits.jsonl", [q | a for q, a in zip(edited, judged(edited), strict=True)])
    (CASES / "go-keys.txt").write_text(judging.said(_JUDGE, "keys"), encoding="utf-8")
    (CASES / "go-flags.txt").write_text(judging.said(_JUDGE, "flags"), encoding="utf-8")


def _edited(question: Question) -> str | None:
    """The file of a question after our edit; None if there is none, or nothing to edit."""
    if question["config"] is None or question["drop_ins"] or question["args"]:
        return None
    edit = set_server_tls_bootstrap(content_of(question["config"]))
    return edit.after.decode() if isinstance(edit, Edit) and edit.before != edit.after else None


def _write(name: str, lines: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (CASES / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    record()
