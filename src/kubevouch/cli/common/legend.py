"""The heads of tables and what they mean: tables are printed with them, and `--help` explains them, with the words for states."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import click

from kubevouch.outcome import Explained

RUNS: Final = {
    "NODE": "the node",
    "RUN": "the run that stands there",
    "STATE": "how it stands (see below)",
    "SWITCH": "when the node undoes the run by itself",
    "BOOT NET": "whether a restart of the machine would undo it, too",
    "NOTES": "what the state means here, edits by others, a kubelet that is down",
}
RESULTS: Final = {
    "NODE": "the node",
    "RESULT": "how the run leaves it (see below)",
    "TIME": "how long that took",
    "WHY": "the reason, where it is not done",
}
CSRS: Final = {
    "NAME": "the CSR",
    "AGE": "since it was made",
    "NODE": "whose kubelet made it",
    "ASKS FOR": "the names and addresses that it requests",
    "CONDITION": "as kubectl shows it, and who decided",
    "POLICY": "what the policy says (see below), and the rule that holds it",
}
PINS: Final = {
    "NODE": "the node",
    "STATE": "what a write would change (see below)",
    "NAMES": "DNS names that its certificate may have",
    "ADDRESSES": "IP addresses that its certificate may have",
}
CERTIFICATES: Final = {
    "CERTIFICATE": "what it is for",
    "WHERE": "where it was seen",
    "EXPIRES": "its end",
    "RESIDUAL TIME": "until then",
    "CERTIFICATE AUTHORITY": "who signed it, if that was verified; else its issuer",
    "RENEWED BY": "who replaces it before its end",
}
WIDE: Final = {
    "NODE": "the node",
    "LIFE USED": "the part of its life that is over",
    "STATE": "how it stands (see below)",
    "REMARKS": "what is wrong besides",
    "ISSUER": "whom it names as its issuer",
    "SHA-256": "its fingerprint",
    "NAMES": "its DNS names and IP addresses",
}
"""The heads that `certs -o wide` has besides."""


class PolicyWord(Explained):
    """What the policy says of a CSR."""

    WOULD_APPROVE = "would approve", "it waits, and every rule passes"
    HOLDS = "holds", "it waits, and this rule does not pass"
    PASSES = "passes", "somebody has decided; every rule passes"
    WOULD_HOLD = "would hold", "somebody has decided; this rule does not pass"
    CANNOT_TELL = "cannot tell", "what this rule needs could not be read"


class WithLegend(click.Command):
    """A command whose help ends with a legend. words: read when the help is printed, since their room may be slow to load."""

    def __init__(
        self,
        *given: Any,  # noqa: ANN401 - click's
        heads: Mapping[str, str] = MappingProxyType({}),
        words: Callable[[], type[Explained]],
        **options: Any,  # noqa: ANN401 - click's
    ) -> None:
        super().__init__(*given, **options)
        self._heads = heads
        self._words = words

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The heads of the table, then its words."""
        words = [(str(each), each.meaning) for each in self._words()]
        for heading, rows in (("Columns", list(self._heads.items())), ("Words", words)):
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)
        super().format_epilog(ctx, formatter)
