"""Errors that stop a run before its first write, or that prevent a plan."""

from kubevouch.errors import ExitCode, KubevouchError


class StoppedBefore(KubevouchError):
    """Something is not as the plan says: nothing was changed anywhere."""

    exit_code = ExitCode.STOPPED


class NothingApplicable(KubevouchError):
    """The plan leaves out every node that is not well: there is nothing to carry out."""

    exit_code = ExitCode.COULD_NOT_TELL
