"""Every recorded verdict of Go's Certificate.Verify, replayed: reason by reason, text by text."""

from datetime import datetime

import pytest

from kubevouch.x509 import Reason, Verdict, verify
from tests.x509.recorded import Line, certificate, judged

# What Go calls it, and what may stand for it here: some of its errors are several reasons to us.
REASONS = {
    "trusted": {Reason.TRUSTED},
    "x509.HostnameError": {
        Reason.NO_ADDRESSES,
        Reason.ADDRESS_NOT_COVERED,
        Reason.NO_NAMES,
        Reason.NAME_NOT_COVERED,
        Reason.LEGACY_COMMON_NAME,
    },
    "x509.UnknownAuthorityError": {Reason.UNKNOWN_AUTHORITY, Reason.WRONG_AUTHORITY},
    "x509.UnhandledCriticalExtension": {Reason.UNHANDLED_EXTENSION},
    "CertificateInvalidError/Expired": {Reason.EXPIRED, Reason.NOT_YET_VALID},
    "CertificateInvalidError/CANotAuthorizedForThisName": {Reason.NAME_CONSTRAINT},
    "CertificateInvalidError/NoValidChains": {Reason.NO_VALID_CHAINS},
    "CertificateInvalidError/IncompatibleUsage": {Reason.WRONG_USAGE},
    "CertificateInvalidError/TooManyIntermediates": {Reason.PATH_TOO_LONG},
    "CertificateInvalidError/NotAuthorizedToSign": {Reason.NOT_A_CA},
    "*errors.errorString": {Reason.SIGNATURE_LIMIT},
}
# Where one Go error is several reasons, the beginning of its text tells them apart.
TEXTS = {
    Reason.NO_ADDRESSES: "x509: cannot validate certificate for ",
    Reason.NO_NAMES: "x509: certificate is not valid for any names",
    Reason.ADDRESS_NOT_COVERED: "x509: certificate is valid for ",
    Reason.NAME_NOT_COVERED: "x509: certificate is valid for ",
    Reason.LEGACY_COMMON_NAME: "x509: certificate relies on legacy Common Name field",
    Reason.UNKNOWN_AUTHORITY: "x509: certificate signed by unknown authority",
    Reason.WRONG_AUTHORITY: "x509: certificate signed by unknown authority (possibly because of ",
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


@pytest.mark.parametrize(("case", "go"), JUDGED, ids=[case["case"] for case, _ in JUDGED])
def test_the_verdict_is_go_s_own(case: Line, go: Line) -> None:
    verdict = ours(case)
    assert verdict.go_text == go.get("error", "")
    assert verdict.reason in REASONS[go["kind"]]
    assert verdict.go_text.startswith(TEXTS.get(verdict.reason, ""))
    assert verdict.trusted == (go["kind"] == "trusted") == bool(verdict.chain)


def test_every_reason_has_a_case() -> None:
    assert {ours(case).reason for case, _ in JUDGED} == set(Reason)
