import pytest

from tests.support.authority import Authority


@pytest.fixture(scope="session")
def stranger() -> Authority:
    return Authority("somebody else")
