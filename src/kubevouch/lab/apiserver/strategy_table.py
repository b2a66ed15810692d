"""Which kinds have rules of their own."""

from kubevouch.lab.apiserver.strategies import Strategy

STRATEGIES: dict[tuple[str, str], Strategy] = {}
