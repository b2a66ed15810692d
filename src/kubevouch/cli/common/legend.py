"""Table headings with their meaning. `--help` explains the headings, and the states in the cells."""

from collections.abc import Mapping
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Any, Final

import click

RUNS: Final = {
    "NODE": "the node",
    "RUN": "the run on this node",
    "STATE": "its state (see below)",
    "SWITCH": "when the dead-man's switch undoes the run",
    "BOOT NET": "whether a reboot undoes the run, too",
    "NOTES": "details of the state, edits by others, a kubelet that is down",
}
RESULTS: Final = {
    "NODE": "the node",
    "RESULT": "how the run ended on this node (see below)",
    "TIME": "how long the node took",
    "WHY": "the reason, if the node is not done",
}
CSRS: Final = {
    "NAME": "the CSR",
    "AGE": "time since its creation",
    "NODE": "the node whose kubelet created it",
    "ASKS FOR": "the names and addresses that it requests",
    "CONDITION": "as kubectl shows it, and who decided",
    "POLICY": "the policy's decision (see below), and the reason if it does not pass",
}
PINS: Final = {
    "NODE": "the node",
    "STATE": "what this command would change (see below)",
    "NAMES": "DNS names that its certificate may contain",
    "ADDRESSES": "IP addresses that its certificate may contain",
}
CERTIFICATES: Final = {
    "CERTIFICATE": "its purpose",
    "WHERE": "where kubevouch found it",
    "EXPIRES": "when it expires",
    "RESIDUAL TIME": "time until then",
    "CERTIFICATE AUTHORITY": "the CA that verifiably signed it, else its issuer",
    "RENEWED BY": "what renews it",
}
WIDE: Final = {
    "NODE": "the node",
    "LIFE USED": "the used percentage of its lifetime",
    "STATE": "its state (see below)",
    "REMARKS": "other problems",
    "ISSUER": "the issuer that it names",
    "SHA-256": "its fingerprint",
    "NAMES": "its DNS names and IP addresses",
}
"""More headings for `certs -o wide`."""


class WithLegend(click.Command):
    """A command whose help ends with a legend. words: MODULE:CLASS of an enum, imported when the help is printed."""

    def __init__(
        self,
        *given: Any,  # noqa: ANN401 - click's
        heads: Mapping[str, str] = MappingProxyType({}),
        words: str,
        **options: Any,  # noqa: ANN401 - click's
    ) -> None:
        super().__init__(*given, **options)
        self._heads = heads
        self._words = words

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the headings of the table, then the words in its cells."""
        words = [(str(each), each.meaning) for each in resolve_name(self._words)]
        for heading, rows in (("Columns", list(self._heads.items())), ("Words", words)):
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)
        super().format_epilog(ctx, formatter)
