"""A CSR may have any name without a slash (ValidateCertificateRequestName takes all): in a command to copy it is one word."""

import shlex

import msgspec

from kubevouch.policy.rules.identity import client_standing

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
