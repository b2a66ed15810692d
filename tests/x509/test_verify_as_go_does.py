"""Every recorded verdict of Go's Certificate.Verify, replayed: reason by reason, text by text."""

import re
from datetime import datetime

from kubevouch.x509 import Verdict, VerifyReason, verify
from tests.support.rows import of_each
from tests.x509.recorded import Judged, Line, certificate, judged, name_of

# What Go calls it, and what may stand for it here: some of its errors are several reasons to us.
REASONS = {
    "trusted": {VerifyReason.TRUSTED},
    "x509.HostnameError": {
        VerifyReason.NO_ADDRESSES,
        VerifyReason.ADDRESS_NOT_COVERED,
        VerifyReason.NO_NAMES,
        VerifyReason.NAME_NOT_COVERED,
        VerifyReason.LEGACY_COMMON_NAME,
    },
    "x509.UnknownAuthorityError": {VerifyReason.UNKNOWN_AUTHORITY, VerifyReason.WRONG_AUTHORITY},
    "x509.UnhandledCriticalExtension": {VerifyReason.UNHANDLED_EXTENSION},
    "CertificateInvalidError/Expired": {VerifyReason.EXPIRED, VerifyReason.NOT_YET_VALID},
    "CertificateInvalidError/CANotAuthorizedForThisName": {VerifyReason.NAME_CONSTRAINT},
    "CertificateInvalidError/NoValidChains": {VerifyReason.NO_VALID_CHAINS},
    "CertificateInvalidError/IncompatibleUsage": {VerifyReason.WRONG_USAGE},
    "CertificateInvalidError/TooManyIntermediates": {VerifyReason.PATH_TOO_LONG},
    "CertificateInvalidError/NotAuthorizedToSign": {VerifyReason.NOT_A_CA},
    "*errors.errorString": {VerifyReason.SIGNATURE_LIMIT},
}
# Where one Go error is several reasons, the beginning of its text tells them apart.
TEXTS = {
    VerifyReason.NO_ADDRESSES: "x509: cannot validate certificate for ",
    VerifyReason.NO_NAMES: "x509: certificate is not valid for any names",
    VerifyReason.ADDRESS_NOT_COVERED: "x509: certificate is valid for ",
    VerifyReason.NAME_NOT_COVERED: "x509: certificate is valid for ",
    VerifyReason.LEGACY_COMMON_NAME: "x509: certificate relies on legacy Common Name field",
    VerifyReason.UNKNOWN_AUTHORITY: "x509: certificate signed by unknown authority",
    VerifyReason.WRONG_AUTHORITY: "x509: certificate signed by unknown authority (possibly because of ",
}
# What Go would trust, and we refuse: below a demand for policies; with an e-mail address or a URI below name constraints.
STRICTER = {
    VerifyReason.NO_VALID_CHAINS: re.compile("policy: |critical extension: policy constraints"),
    VerifyReason.NAME_CONSTRAINT: re.compile("constraints: .*, (bad )?(mail|uri)"),
}
JUDGED = judged("verify")


def ours(case: Line) -> Verdict:
    return verify(
        certificate(case["leaf"]),
        intermediates=[certificate(name) for name in case.get("intermediates", ())],
        roots=[certificate(name) for name in case.get("roots", ())],
        name=case["name"],
        at=datetime.fromisoformat(case["at"]),
    )


@of_each(JUDGED, name_of)
def test_the_verdict_is_go_s_own(judged: Judged) -> None:
    case, go = judged
    verdict = ours(case)
    stricter = STRICTER.get(verdict.reason)
    if stricter and stricter.match(case["case"]):
        return
    assert verdict.go_text == go.get("error", "")
    assert verdict.reason in REASONS[go["kind"]]
    assert verdict.go_text.startswith(TEXTS.get(verdict.reason, ""))
    assert verdict.trusted == (go["kind"] == "trusted") == bool(verdict.chain)


def test_every_reason_has_a_case() -> None:
    assert {ours(case).reason for case, _ in JUDGED} == set(VerifyReason)
