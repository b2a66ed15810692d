"""/livez, /readyz and /healthz, with the texts of apiserver's pkg/server/healthz/healthz.go.

A check fails with a reason that only the log tells: these paths are open to everybody.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kubevouch.serve.logs import Log
from kubevouch.serve.messages import Request, Response, in_text
from kubevouch.serve.statuses import no_such_path

Check = Callable[[], str | None]
"""None if all is well, else why it is not."""


@dataclass(frozen=True, slots=True)
class Named:
    """A check and its name on the page. told: values for the log beside probe and err."""

    name: str
    check: Check
    told: Callable[[], Mapping[str, str]] = dict


def _well() -> str | None:
    return None


GENERIC = (Named("ping", _well), Named("log", _well))
"""What every API server of Kubernetes has."""


class Probes:
    """Answers below its paths: `{"readyz": checks, ...}`, each checked in this order."""

    def __init__(self, checks: Mapping[str, Sequence[Named]], log: Log) -> None:
        self._checks = {name: (*GENERIC, *found) for name, found in checks.items()}
        self._log = log

    @property
    def paths(self) -> tuple[str, ...]:
        """`/readyz` ..."""
        return tuple(f"/{name}" for name in self._checks)

    async def answer(self, request: Request) -> Response:
        """One page, or one check of it (`/readyz/ping`)."""
        _, page, *rest = request.path.rstrip("/").split("/")
        checks = self._checks.get(page)
        if checks is None or len(rest) > 1:
            return no_such_path()
        if rest:
            return self._single(checks, rest[0])
        return self._page(page, checks, request)

    def _single(self, checks: Sequence[Named], name: str) -> Response:
        named = next((each for each in checks if each.name == name), None)
        if named is None:
            return no_such_path()
        failed = self._asked(named)
        return in_text(f"internal server error: {failed}\n", 500) if failed else in_text("ok")

    def _page(self, page: str, checks: Sequence[Named], request: Request) -> Response:
        excluded = dict.fromkeys(request.query.get("exclude", ()))
        lines, failed = [], []
        for named in checks:
            if named.name in excluded:
                del excluded[named.name]
                lines.append(f"[+]{named.name} excluded: ok\n")
            elif self._asked(named) is None:
                lines.append(f"[+]{named.name} ok\n")
            else:
                failed.append(named.name)
                lines.append(f"[-]{named.name} failed: reason withheld\n")
        if excluded:
            names = ",".join(f'"{name}"' for name in sorted(excluded))
            lines.append(f"warn: some health checks cannot be excluded: no matches for {names}\n")
        if failed:
            return in_text(f"{''.join(lines)}{page} check failed\n", 500)
        verbose = "verbose" in request.query
        return in_text(f"{''.join(lines)}{page} check passed\n" if verbose else "ok")

    def _asked(self, named: Named) -> str | None:
        failed = named.check()
        if failed is not None:
            self._log.info("Failed probe", probe=named.name, err=failed, **named.told())
        return failed
