"""What ends a run before its first write, or a plan before it is one."""

from kubevouch.errors import ExitCode, KubevouchError


class StoppedBefore(KubevouchError):
    """Something is not as the plan says: nothing was changed anywhere."""

    exit_code = ExitCode.STOPPED
