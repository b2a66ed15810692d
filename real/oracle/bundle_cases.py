"""Cases about PEM files: what Go finds in them, and what it passes over without a word."""

from real.oracle.cases import Cases
from real.oracle.dice import Dice
from real.oracle.request_cases import block

SPOILT = 40


def gather(cases: Cases) -> None:
    ca, leaf = (block(cases.certificates[name], "CERTIFICATE") for name in ("ca", "dates"))
    other = block(cases.certificates["cluster-ecdsa"], "CERTIFICATE")
    key = block(b"no key at all", "EC PRIVATE KEY")
    files = {
        "one": ca,
        "two": leaf + ca,
        "three with text": b"# the CA\n" + ca + b"\n\nand another:\n" + other + b"bye",
        "certificate and key": leaf + key,
        "key and certificate": key + leaf,
        "parameters": block(b"\6\1\0", "EC PARAMETERS") + key,
        "a CRL": ca + block(b"x", "X509 CRL"),
        "CRLF": ca.replace(b"\n", b"\r\n"),
        "mixed line ends": ca.replace(b"\n", b"\r\n", 3) + leaf,
        "no newline at the end": ca + leaf[:-1],
        "no newline between": ca[:-1] + leaf,
        "indented": b"".join(b"  " + line for line in ca.splitlines(keepends=True)),
        "second indented": ca + b"".join(b" " + line for line in leaf.splitlines(keepends=True)),
        "headers": ca.replace(b"-----\n", b"-----\nSubject: x\n\n", 1),
        "headers without a blank line": ca.replace(b"-----\n", b"-----\nSubject: x\n", 1),
        "only headers": b"-----BEGIN CERTIFICATE-----\nA: b\n-----END CERTIFICATE-----\n",
        "headers and a blank line": b"-----BEGIN CERTIFICATE-----\nA: b\n\n-----END CERTIFICATE-----\n",
        "trusted": block(cases.certificates["ca"], "TRUSTED CERTIFICATE"),
        "X509": block(cases.certificates["ca"], "X509 CERTIFICATE"),
        "empty": b"",
        "text": b"nothing here\n",
        "DER": cases.certificates["ca"],
        "empty block": b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "blank block": b"-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----\n",
        "nameless block": b"-----BEGIN -----\n-----END -----\n",
        "only BEGIN": b"-----BEGIN CERTIFICATE-----\n",
        "only END": b"\n-----END CERTIFICATE-----\n",
        "not a certificate": ca + block(b"\x30\0", "CERTIFICATE") + leaf,
        "not base64": ca.replace(b"MII", b"M?I", 1) + leaf,
        "padding in the middle": ca.replace(b"MII", b"M=I", 1) + leaf,
        "no padding": ca.replace(b"=", b"") + leaf,
        "too much padding": ca.replace(b"\n-----END", b"=\n-----END") + leaf,
        "labels differ": ca.replace(b"END CERTIFICATE", b"END CERTIFICATES") + leaf,
        "label with blanks": ca.replace(b"CERTIFICATE-----", b"CERTIFICATE -----") + leaf,
        "BEGIN without dashes": ca.replace(b"BEGIN CERTIFICATE-----", b"BEGIN CERTIFICATE") + leaf,
        "BEGIN with a tail": ca.replace(b"BEGIN CERTIFICATE-----", b"BEGIN CERTIFICATE----- x")
        + leaf,
        "BEGIN with blanks": ca.replace(b"BEGIN CERTIFICATE-----", b"BEGIN CERTIFICATE----- \t")
        + leaf,
        "END with a tail": ca.replace(b"END CERTIFICATE-----", b"END CERTIFICATE-----x") + leaf,
        "END with blanks": ca.replace(b"END CERTIFICATE-----", b"END CERTIFICATE----- \t") + leaf,
        "END at the end of a line": ca.replace(b"\n-----END", b"-----END") + leaf,
        "four dashes": ca.replace(b"-----END", b"----END") + leaf,
        "six dashes": ca.replace(b"-----BEGIN", b"------BEGIN") + leaf,
        "a dash too many": ca.replace(b"CERTIFICATE-----", b"CERTIFICATE------") + leaf,
        "cut": ca[:200] + b"\n" + leaf,
        "cut before END": ca[: ca.index(b"-----END")] + leaf,
        "BEGIN after END": b"-----END -----BEGIN CERTIFICATE-----\n" + ca,
        "BEGIN right after END": ca.replace(b"-----BEGIN", b"\n-----END -----BEGIN", 1) + leaf,
        "text before BEGIN": b"x" + ca + leaf,
        "tabs in the lines": ca.replace(b"MII", b"M\tI I", 1),
        "a colon in the body": ca.replace(b"\nMII", b"\nMII:", 1) + leaf,
        "a NUL between": ca + b"\0" + leaf,
        "ends and ends": b"\n-----END X-----" * 20 + b"\n" + ca,
        "begins and begins": b"-----BEGIN X-----\n" * 20 + ca,
        "stray bits": ca.replace(b"=\n-----END", b"=\n-----END"),
    }
    for label, data in files.items():
        cases.bundle(label, data)
    pieces = [
        ca,
        leaf,
        b"\n",
        b"-----BEGIN CERTIFICATE-----\n",
        b"-----END CERTIFICATE-----\n",
        b"A: b\n",
        b"-----",
        b"text",
        b"\r\n",
        b" ",
    ]
    for number in range(SPOILT):
        dice = Dice(f"bundle {number}")
        made = bytearray(b"".join(dice.of(pieces) for _ in range(2 + dice.below(6))))
        if made and dice.one_in(2):
            del made[dice.below(len(made))]
        cases.bundle(f"dice {number}", bytes(made))
