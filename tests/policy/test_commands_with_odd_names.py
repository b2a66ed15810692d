"""A CSR may have any name without a slash (ValidateCertificateRequestName takes all): in a command to copy it is one word."""

import shlex

import msgspec

from kubevouch.approve.act.telling import why_held
from kubevouch.outcome import Outcome
from kubevouch.policy.decide import Decision
from kubevouch.policy.facts import RuleResult
from kubevouch.policy.identity import client_standing
from kubevouch.policy.reasons import HoldReason

from .conftest import BORROWED, NODE, Case

ODD = "x;touch${IFS}PWNED #"


def words_behind(text: str, mark: str) -> list[str]:
    """As a shell would read the command that stands behind a mark."""
    return shlex.split(text.rsplit(mark, maxsplit=1)[-1], comments=True)


def test_the_command_that_would_pin_a_client_certificate_has_the_csr_as_one_word() -> None:
    facts = Case(standing=BORROWED, credential_ids=("X509SHA256=aa",)).facts()
    csr = msgspec.structs.replace(facts.csr, name=ODD)
    said = client_standing(msgspec.structs.replace(facts, csr=csr)).message
    words = words_behind(said, "the node's own: ")
    assert words == ["kubevouch", "approver", "pin", NODE, "--csr", ODD]


def test_the_command_in_an_event_has_the_csr_as_one_word() -> None:
    reason, other = HoldReason.ADDRESS_NOT_ALLOWED, "10.0.0.1 (pinned)"
    result = RuleResult(
        "allowed-addresses", Outcome.REFUSE, reason, "not its own", "10.0.0.9", other
    )
    said = why_held(Decision(ODD, Outcome.REFUSE, (result,)), ODD)
    assert words_behind(said, "See: ") == ["kubevouch", "csr", "explain", ODD]
