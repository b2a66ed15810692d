"""Table headings and their meanings, which `--help` prints."""

from collections.abc import Mapping
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Any, Final

import click

RUNS: Final = {
    "NODE": "the node",
    "RUN": "the run on this node",
    "STATE": "the state of the run (see below)",
    "SWITCH": "when the dead-man's switch undoes or commits the run",
    "BOOT NET": "whether a reboot also undoes or commits the run",
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
    "AGE": "time since the CSR was created",
    "NODE": "the node whose kubelet created the CSR",
    "ASKS FOR": "the requested names and addresses",
    "CONDITION": "the condition as in kubectl, and who approved or denied the CSR",
    "POLICY": "the policy's decision (see below), and the reason if a rule does not pass",
}
PINS: Final = {
    "NODE": "the node",
    "STATE": "what this command would change (see below)",
    "NAMES": "DNS names that the node's certificate may contain",
    "ADDRESSES": "IP addresses that the node's certificate may contain",
}
CERTIFICATES: Final = {
    "CERTIFICATE": "the purpose of the certificate",
    "WHERE": "where kubevouch found the certificate",
    "EXPIRES": "when it expires",
    "RESIDUAL TIME": "the time until it expires",
    "CERTIFICATE AUTHORITY": "the CA whose signature was verified, else the issuer",
    "RENEWED BY": "what renews it",
}
WIDE: Final = {
    "NODE": "the node",
    "LIFE USED": "the percentage of the lifetime that has passed",
    "STATE": "the certificate's state (see below)",
    "REMARKS": "other problems",
    "ISSUER": "the issuer in the certificate",
    "SHA-256": "its fingerprint",
    "NAMES": "DNS names and IP addresses in the certificate",
}
"""More headings for `certs -o wide`."""


class WithLegend(click.Command):
    """A command whose help ends with a legend. words: the enum to explain, as MODULE:CLASS; imported when the help is printed."""

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
        """Explains the headings of the table, then the words in its cells."""
        words = [(str(each), each.meaning) for each in resolve_name(self._words)]
        for heading, rows in (("Columns", list(self._heads.items())), ("Words", words)):
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)
        super().format_epilog(ctx, formatter)
