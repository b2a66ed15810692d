"""One rule a function: evidence in, findings out. A file a range of codes."""

from collections.abc import Callable, Iterable

from kubevouch.diagnose.finding import Finding
from kubevouch.evidence.snapshot import Evidence

Rule = Callable[[Evidence], Iterable[Finding]]
