"""Small public-key infrastructures thrown together by dice: what nobody thought of."""

from datetime import timedelta
from functools import cache

from real.oracle.asn1 import name, time
from real.oracle.cases import Cases
from real.oracle.certificates import (
    CLIENT_AUTH,
    NOW,
    SERVER_AUTH,
    Authority,
    Certificate,
    authority,
    basic,
    constraints,
    dns_name,
    extension,
    key_usage,
    leaf,
    network_name,
    usages,
)
from real.oracle.dice import Dice
from real.oracle.keys import Key, ecdsa, ed, rsa

WORLDS = 12
ASKED = 10

_SUBJECTS = [name(("CN", text)) for text in ("red", "green", "blue")]


@cache
def _keys() -> list[Key]:
    return [ecdsa("dice one"), ecdsa("dice two"), rsa("cluster"), ed("dice")]


def gather(cases: Cases) -> None:
    for number in range(WORLDS):
        _world(cases, number)


def _world(cases: Cases, number: int) -> None:
    dice = Dice(f"world {number}")
    authorities: list[Authority] = []
    for count in range(6):
        made = _authority(dice, authorities)
        made.serial = 100 * number + count
        authorities.append(cases.add_authority(f"dice{number}-ca{count}", made))
    leaves = []
    for count in range(3):
        made = _leaf(dice, dice.of(authorities))
        leaves.append(cases.add(f"dice{number}-leaf{count}", made))
    ids = [each.id for each in authorities]
    for count in range(ASKED):
        cases.ask(
            f"dice: world {number}, {count}",
            dice.of(leaves),
            [each for each in ids if dice.one_in(3)],
            intermediates=[each for each in ids if not dice.one_in(4)],
            name=dice.of(
                ("w1.example.com", "w1.example.com", "w1.example.com", "10.0.0.5", "other")
            ),
            at=NOW + timedelta(days=dice.of((0, 0, 0, 60, -60))),
        )


def _authority(dice: Dice, above: list[Authority]) -> Certificate:
    issuer = dice.of(above) if above and not dice.one_in(4) else None
    made = authority(dice.of(_SUBJECTS), dice.of(_keys()), issuer=issuer)
    if dice.one_in(5):
        made.extensions[1] = basic(ca=not dice.one_in(3), path=dice.below(3))
    if dice.one_in(8):
        made.extensions[0] = key_usage(0)
    if dice.one_in(4):
        del made.extensions[2:]
    if dice.one_in(6):
        made.extensions.append(usages(dice.of((SERVER_AUTH, CLIENT_AUTH))))
    if dice.one_in(6):
        made.extensions.append(constraints([dns_name(dice.of(("example.com", "other.org")))]))
    elif dice.one_in(6):
        made.extensions.append(
            constraints((), [network_name(dice.of(("10.0.0.0/8", "192.168.0.0/16")))])
        )
    if dice.one_in(12):
        made.extensions.append(extension("1.2.3.4.5", b"\0", critical=True))
    if dice.one_in(6):
        made.not_after = time(NOW + timedelta(days=dice.of((-10, 30))))
    if dice.one_in(10) and not isinstance(made.signer, type(_keys()[3])):
        made.scheme = "SHA1"
    return made


def _leaf(dice: Dice, issuer: Authority) -> Certificate:
    usage = dice.of(((SERVER_AUTH,), (SERVER_AUTH,), (SERVER_AUTH, CLIENT_AUTH), (CLIENT_AUTH,)))
    made = leaf(issuer, ecdsa("leaf"), usage=usage)
    if dice.one_in(3):
        del made.extensions[3]
    return made
