"""/livez, /readyz and /healthz, with the texts of apiserver's pkg/server/healthz/healthz.go.

These paths are open to everybody, so they do not show why a check failed. The log does, and so do
the paths of single checks, such as /readyz/shutdown, which need authorization.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from kubevouch.serve.logs import Log
from kubevouch.serve.messages import HttpRequest, HttpResponse, text_response
from kubevouch.serve.statuses import no_such_path

Check = Callable[[], str | None]
"""Returns None if the check passes, else the reason for the failure."""


@dataclass(frozen=True, slots=True)
class NamedCheck:
    """A check and its name in the probe's response. log_values: more values for the log line if the check fails."""

    name: str
    check: Check
    log_values: Callable[[], Mapping[str, str]] = dict


def passing() -> str | None:
    """A check that always passes."""
    return None


def shutdown_check(stopping: Callable[[], bool]) -> NamedCheck:
    """A check that fails after a shutdown request, so that load balancers choose other servers."""
    return NamedCheck("shutdown", lambda: "process is shutting down" if stopping() else None)


GENERIC = (NamedCheck("ping", passing), NamedCheck("log", passing))
"""The checks of every Kubernetes API server."""


class Probes:
    """Serves the probes. checks: the checks of each page in order, as `{"readyz": [...], ...}`."""

    def __init__(self, checks: Mapping[str, Sequence[NamedCheck]], log: Log) -> None:
        self._checks = {name: (*GENERIC, *found) for name, found in checks.items()}
        self._log = log

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the pages, such as `/readyz`."""
        return tuple(f"/{name}" for name in self._checks)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """The response for a page (`/readyz`) or for one of its checks (`/readyz/ping`)."""
        page, slash, name = request.path.removeprefix("/").partition("/")
        checks = self._checks.get(page)
        if checks is None:
            return no_such_path()
        return self._single(checks, name) if slash else self._page(page, checks, request)

    def _single(self, checks: Sequence[NamedCheck], name: str) -> HttpResponse:
        named = next((each for each in checks if each.name == name), None)
        if named is None:
            return no_such_path()
        failed = self._asked(named)
        return (
            text_response(f"internal server error: {failed}\n", 500)
            if failed
            else replace(text_response("ok"), headers={})
        )

    def _page(self, page: str, checks: Sequence[NamedCheck], request: HttpRequest) -> HttpResponse:
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
            return text_response(f"{''.join(lines)}{page} check failed\n", 500)
        verbose = "verbose" in request.query
        return text_response(f"{''.join(lines)}{page} check passed\n" if verbose else "ok")

    def _asked(self, named: NamedCheck) -> str | None:
        failed = named.check()
        if failed is not None:
            self._log.info("Failed probe", probe=named.name, err=failed, **named.log_values())
        return failed
