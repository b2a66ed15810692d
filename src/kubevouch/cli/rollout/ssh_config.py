"""Chooses the ssh configuration for a plan. ssh runs commands from it on this machine (ProxyCommand, Match exec).

A plan may come from somebody else. ssh reads the configuration file that the plan names only if nobody else could have
written that file. Kubevouch prints the file's path first. --ssh-config comes from the operator, and takes precedence.
"""

import grp
import os
import pwd
import stat
from pathlib import Path

import msgspec

from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.errors import UsageError
from kubevouch.node.io.ssh import check_config
from kubevouch.rollout.decide.plan import Plan

_OTHERS_MAY_WRITE = 0o022


def with_ssh_config(plan: Plan, given: str | None, terminal: Terminal) -> Plan:
    """The plan with the ssh configuration to use. Prints the path of a configuration that comes from the plan.

    given: the value of --ssh-config.

    Raises:
        UsageError: the file that the plan names is missing or writable by others, or ssh cannot read the given file.
    """
    if given:
        check_config(given)
        return msgspec.structs.replace(plan, ssh_config=str(Path(given).absolute()))
    if plan.via != "ssh" or not plan.ssh_config:
        return plan
    path, problem = _trusted_file(Path(plan.ssh_config))
    if problem:
        raise UsageError(
            plan.ssh_config,
            f"the plan makes ssh use this configuration, but {problem}",
            "expected --ssh-config FILE, with a file that you trust: ssh runs the commands in it",
        )
    terminal.note(one_line(f"the plan makes ssh read {path}"))
    return msgspec.structs.replace(plan, ssh_config=str(path))


def _trusted_file(path: Path) -> tuple[Path, str]:
    """The file's resolved path, and why somebody else may have written the file; "" if nobody else could.

    The file and every folder above it must belong to this user or root, and must not be writable by others.
    """
    if not path.is_absolute():
        return path, "it is not an absolute path"
    try:
        file = path.resolve(strict=True)
        found = [(each, each.stat()) for each in (file, *file.parents)]
    except (OSError, RuntimeError) as error:
        # Before Python 3.13, a loop of links raises RuntimeError.
        return path, f"it is unreadable ({getattr(error, 'strerror', error)})"
    for each, its in found:
        what = "it" if each == file else str(each)
        if its.st_uid not in (0, os.geteuid()):
            return file, f"{what} belongs to the user with id {its.st_uid}"
        if its.st_mode & _OTHERS_MAY_WRITE and not (each != file and _is_safe_folder(its)):
            write = "write it" if each == file else f"write to {each}"
            return file, f"others may {write} (its mode is {its.st_mode & 0o7777:o})"
    return file, ""


def _is_safe_folder(folder: os.stat_result) -> bool:
    """Whether our file is safe although others may write to this folder.

    True if the folder is sticky (/tmp). Also true if, besides the owner, only the folder's group may write to it, and
    this group is the user's private group without other members.
    """
    if folder.st_mode & stat.S_ISVTX:
        return True
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(folder.st_gid)
    except KeyError:
        return False
    is_own = (group.gr_name, group.gr_gid) == (user.pw_name, user.pw_gid)
    return is_own and set(group.gr_mem) <= {user.pw_name} and not folder.st_mode & stat.S_IWOTH
