"""Who carries out a run of `apply` or `undo` on the cluster at this moment: by a Lease, so that two operators do not act at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

NAMESPACE = "kube-system"
NAME = "kubevouch-rollout"
LEASE = f"Lease {NAMESPACE}/{NAME}"

_SILENT = timedelta(seconds=20)
"""A holder renews every 2 s and is believed for 15 s; times are the API server's whole seconds."""

_LATE = timedelta(seconds=6)
"""So long without a renewal it has missed two at least."""
_LONGEST_WORD = 100
"""Characters of a run's name, or of who carries it out, that are shown: anybody who may write Leases has chosen them."""
_IN_A_NAME = frozenset("@.-_+:/")


@dataclass(frozen=True)
class RunHolder:
    """The holder of the Lease.

    identity: `RUN on USER@HOST (random)`; of one that undoes the run `(undo random)`, on some nodes only `(undo NODE,NODE random)`. since: when it took the Lease. silent: how long ago it renewed it, by the API
    server's clock.
    """

    identity: str
    since: datetime | None
    silent: timedelta
    is_gone: bool = False
    """Its process is known to have ended: it was one of this machine."""

    @property
    def run(self) -> str:
        """The run that it carries out, by its own word."""
        return self.identity.split(" ")[0][:_LONGEST_WORD]

    @property
    def where(self) -> str:
        """Who carries it out, and where, by its own word."""
        said = self.identity.partition(" on ")[2].rpartition(" (")[0] or self.identity
        kept = (c if c.isalnum() or c in _IN_A_NAME else "?" for c in said[:_LONGEST_WORD])
        return "".join(kept)  # nothing that could be taken for a command to copy

    @property
    def undoes(self) -> bool:
        """Whether it takes the run back, by its own word."""
        return self.identity.rpartition(" (")[2].startswith("undo ")

    @property
    def undone_nodes(self) -> tuple[str, ...]:
        """The nodes on which it takes the run back, by its own word; empty for all."""
        words = self.identity.rpartition(" (")[2].split(" ")
        return tuple(words[1].split(",")) if self.undoes and len(words) == 3 else ()

    @property
    def is_alive(self) -> bool:
        """Whether it has renewed the Lease lately, and its process is not known to have ended; one that was killed did not give the Lease back."""
        return not (self.is_gone or self.is_silent)

    @property
    def is_silent(self) -> bool:
        """Whether it has not renewed the Lease for so long that it has lost it."""
        return self.silent >= _SILENT

    @property
    def is_late(self) -> bool:
        """Whether it counts as alive and has missed renewals: perhaps it was killed just now."""
        return self.is_alive and self.silent >= _LATE

    @property
    def counts_for(self) -> int:
        """Seconds for which it counts as alive yet, if it does not renew the Lease any more: 20 at most, whatever the Lease says."""
        return ceil((_SILENT - max(self.silent, timedelta())).total_seconds())

    @property
    def cut_off_by(self) -> str:
        """Why it is not alive, for a person."""
        gone = "its process on this machine has ended"
        return gone if self.is_gone else "killed, or away from the API server"

    def __str__(self) -> str:
        """For a person: the run, who, since when, and whether it is still there."""
        since = f" since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        seconds = max(0, round(self.silent.total_seconds()))
        last = f"renewed {seconds} s ago" if self.is_alive else f"not renewed for {seconds} s"
        some = f" on {', '.join(self.undone_nodes)}" if self.undone_nodes else ""
        what = f"undo of run {self.run}{some} by" if self.undoes else f"run {self.run} of"
        return f"{what} {self.where}{since} ({last})"
