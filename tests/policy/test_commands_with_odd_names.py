"""A CSR may have any name without a slash (ValidateCertificateRequestName takes all): in a command to copy it is one word."""

import shlex

import msgspec

from kubevouch.policy.rules.identity import client_standing

from .conftest import BORROWED, NODE, Case

ODD = "x;touch${IFS}PWNED #"


def test_the_command_that_would_pin_a_client_certificate_has_the_csr_as_one_word() -> None:
    facts = Case(standing=BORROWED, credential_ids=("X509SHA256=aa",)).facts()
    csr = msgspec.structs.replace(facts.csr, name=ODD)
    said = client_standing(msgspec.structs.replace(facts, csr=csr)).message
    # As a shell would read the command.
    words = shlex.split(said.rpartition("the node's own: ")[2], comments=True)
    assert words == ["kubevouch", "approver", "pin", NODE, "--csr", ODD]
