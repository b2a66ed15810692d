"""The few programs of a node that are the lab's own: what talks to the service manager, and what tells who and when.

Each is the same small POSIX script under another name. It lays its words into a folder of its own, names it in a pipe that
the lab reads, and waits for the answer in another: no program is needed for that but mkfifo and cat. Everything else that
runs on a node is the machine's own.
"""

from typing import Final

FOLDER: Final = "/opt/kubevouch-lab/bin"
SPOOL: Final = "/run/kubevouch-lab"
NAMES: Final = (
    "systemctl",
    "systemd-run",
    "journalctl",
    "date",
    "sudo",
    "reboot",
    "kubelet",
    "lab-now",
)
SCRIPT: Final = f"""\
#!/bin/sh
# A program of the lab: it asks the process that runs the lab.
umask 077
call=$(mktemp -d {SPOOL}/call.XXXXXX) || exit 1
mkfifo "$call/end" || exit 1
exec 3<>"$call/end"
printf '%s\\0' "${{0##*/}}" "$@" >"$call/argv"
printf '%s\\n' "${{call##*/}}" >{SPOOL}/calls
IFS= read -r code <&3
cat "$call/out"
cat "$call/err" >&2
rm -rf "$call"
exit "$code"
"""
# These need no answer from the lab: they run something.
OWN: Final = {
    "sudo": """\
#!/bin/sh
# Whoever is on a node of the lab is root there.
while [ $# -gt 0 ]; do
  case $1 in
    -u | -g | -h | -p) shift 2 ;;
    --) shift; break ;;
    -*) shift ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || exit 1
exec "$@"
""",
    "date": f"""\
#!/bin/sh
# The node's clock is the lab's.
for word in "$@"; do
  case $word in -d | --date=* | -d* | -r | -f | -s) exec /bin/date "$@" ;; esac
done
now=$({FOLDER}/lab-now) && exec /bin/date -d "@$now" "$@"
exec /bin/date "$@"
""",
}
