"""RSA keys for labs in this process: a lab takes some twenty, and each takes longer to make than most of what a test looks at.

Within a test no key comes twice. The next test, also one in another process of this test run, gets the same ones again.
"""

import itertools
import os
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kubevouch_lab.pki import key_pem, rsa_key
from tests.support import workers

_MADE: dict[int, rsa.RSAPrivateKey] = {}


def keys_of_a_test() -> Callable[[], rsa.RSAPrivateKey]:
    """What stands for `rsa_key` in one test; called by several threads, each gets another key."""
    numbers = itertools.count()
    return lambda: _key(next(numbers))


def _key(number: int) -> rsa.RSAPrivateKey:
    if number not in _MADE:
        _MADE[number] = _kept(number)
    return _MADE[number]


def _kept(number: int) -> rsa.RSAPrivateKey:
    """That of another process, or a new one for all of them."""
    folder = workers.shared_folder()
    if folder is None:
        return rsa_key()
    file = folder / f"rsa-{number}.pem"
    if not file.exists():
        whole = file.with_suffix(f".{os.getpid()}")
        whole.write_bytes(key_pem(rsa_key()))
        whole.replace(file)
    key = load_pem_private_key(file.read_bytes(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key
