"""Whatever is asked: what passes is a subset of what the node may have, read by another reader than ours."""

from datetime import timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.outcome import Outcome
from kubevouch.policy.claims import Claim, ClaimedBy, NameSource
from tests.support.requests import request
from tests.support.unhurried import examples

from .conftest import ADDRESS, NODE, Case

KEY = ec.generate_private_key(ec.SECP256R1())
GOOD = request(NODE, [NODE], [ADDRESS], key=KEY)
NAMES = [
    NODE,
    "worker-1",
    NODE.upper(),
    f"{NODE}.",
    "*.example.com",
    "worker-2.example.com",
    "cp-1.example.com",
    "kubernetes.default.svc",
    "localhost",
    "vault.example.com",
    "x.k8s.example.org",
]
ADDRESSES = [
    ADDRESS,
    f"::ffff:{ADDRESS}",
    "10.0.0.7",
    "192.168.88.111",
    "192.168.88.113",
    "192.168.88.250",
    "10.96.0.1",
    "127.0.0.1",
    "::1",
    "fd00::112",
]
OWN, STOLEN = f"X509SHA256={'a' * 64}", f"X509SHA256={'b' * 64}"
MAY_NAMES, MAY_ADDRESSES = {NODE, "worker-1"}, {ADDRESS, "10.0.0.7"}


@examples(400)
@given(
    names=st.lists(st.sampled_from(NAMES), max_size=4),
    addresses=st.lists(st.sampled_from(ADDRESSES), max_size=4),
    proven=st.booleans(),
    known=st.booleans(),
    username=st.sampled_from([f"system:node:{NODE}", "system:node:worker-2", "admin", ""]),
    credential_ids=st.sampled_from([(OWN,), (STOLEN,), (OWN, STOLEN), ()]),
    surveyed=st.booleans(),
    contested=st.booleans(),
    minutes=st.integers(-3, 20),
)
def test_what_passes_is_within_the_allowance(
    names: list[str],
    addresses: list[str],
    proven: bool,
    known: bool,
    username: str,
    credential_ids: tuple[str, ...],
    surveyed: bool,
    contested: bool,
    minutes: int,
) -> None:
    source = NameSource.OPERATOR if proven else NameSource.NODE_STATUS
    case = Case(
        pem=request(NODE, names, addresses, key=KEY),
        names=tuple(Claim(name, source) for name in sorted(MAY_NAMES)),
        addresses=tuple(Claim(address, source) for address in sorted(MAY_ADDRESSES)),
        known=known,
        username=username,
        credential_ids=credential_ids,
        client_certificates=frozenset({OWN.removeprefix("X509SHA256=")}) if surveyed else None,
        other_addresses={ip_address("10.0.0.7"): ClaimedBy("worker-3", proven=False)}
        if contested
        else {},
        age=timedelta(minutes=minutes),
    )
    passed = case.judged().outcome is Outcome.PASS
    asked_well = (
        set(names) <= MAY_NAMES
        and set(addresses) <= MAY_ADDRESSES
        and len(set(names)) == len(names)
        and len(set(addresses)) == len(addresses)
        and (bool(addresses) or (bool(names) and proven))  # names only: by the operator's word
        and not (contested and "10.0.0.7" in addresses)  # we have not seen whose it is
    )
    assert passed == (
        asked_well
        and known
        and proven
        and username == f"system:node:{NODE}"
        and (not surveyed or credential_ids == (OWN,))
        and -1 <= minutes <= 14
    )
    if passed:
        read = x509.load_pem_x509_csr(case.pem).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        assert set(read.value.get_values_for_type(x509.DNSName)) <= MAY_NAMES
        assert set(read.value.get_values_for_type(x509.IPAddress)) <= {
            ip_address(a) for a in MAY_ADDRESSES
        }


@examples(300)
@given(data=st.data())
def test_a_damaged_request_is_held_and_never_a_trace(data: st.DataObject) -> None:
    pem = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        pem[data.draw(st.integers(0, len(pem) - 1))] = data.draw(st.integers(0, 255))
    assert bytes(pem) == GOOD or Case(pem=bytes(pem)).judged().outcome is Outcome.REFUSE


@given(pem=st.binary(max_size=2000))
def test_any_bytes_are_held(pem: bytes) -> None:
    assert Case(pem=pem).judged().outcome is Outcome.REFUSE
