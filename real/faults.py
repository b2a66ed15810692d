"""What can be done to a machine of the bed, and undone: cables pulled, disks filled, units killed, signers stopped."""

from real import clock, network
from real.layout import Folders, Host
from real.machine import Machine

# What our mounts are called in /proc/mounts.
_FILLING = "bed-filling"
_BALLAST = ".bed-ballast"
_SSH_RULE = "INPUT -p tcp --dport 22 -m comment --comment bed -j DROP"
_MANIFESTS = "/etc/kubernetes/manifests"
_MANIFEST = "kube-controller-manager.yaml"
_ASIDE = "/etc/kubernetes/kube-controller-manager.yaml.aside"

_FILL = f"""
mkdir -p "$1"
if ! mountpoint -q "$1"; then
  kept=$(mktemp -d)
  cp -a "$1/." "$kept/"
  mount -t tmpfs -o "size=$2,mode=$(stat -c %a "$1")" {_FILLING} "$1"
  cp -a "$kept/." "$1/"
  rm -rf "$kept"
fi
cat /dev/zero > "$1/{_BALLAST}" 2>/dev/null || true
"""
_FREE = f"""
grep '^{_FILLING} ' /proc/mounts | cut -d' ' -f2 | while read -r folder; do
  rm -f "$folder/{_BALLAST}"
  kept=$(mktemp -d)
  cp -a "$folder/." "$kept/"
  umount -l "$folder"
  cp -a "$kept/." "$folder/"
  rm -rf "$kept"
done
"""


def cut(host: Host) -> None:
    """Pulls the machine's cable: nothing reaches it, and it reaches nothing."""
    network.cut(host)


def cut_ssh(machine: Machine) -> None:
    """Its ssh port no longer answers; connections that are open hang. All else works."""
    machine.exec("iptables", "-w", "-I", *_SSH_RULE.split())


def mend(host: Host, folders: Folders) -> None:
    """Undoes both cuts."""
    network.mend(host)
    machine = Machine(host, folders.machines / host.short)
    machine.sh(f"while iptables -w -D {_SSH_RULE} 2>/dev/null; do :; done")


def fill(machine: Machine, folder: str, size: str = "8m") -> None:
    """Lays a small file system over a folder (made if it is not there), with what was in it, and fills it to the end.

    What is written below the folder later fails with ENOSPC. Not for folders with mounts below them.
    """
    machine.sh(_FILL, folder, size)


def free(machine: Machine) -> None:
    """Takes all such file systems away; what was written to them stays."""
    machine.sh(_FREE)


def stop_controller_manager(master: Machine) -> None:
    """Nobody signs: its manifest is moved away; returns when it is gone."""
    master.sh(f"test -e {_ASIDE} || mv {_MANIFESTS}/{_MANIFEST} {_ASIDE}")
    clock.until(
        "end of the controller-manager", lambda: not _controller_manager(master), seconds=90
    )


def start_controller_manager(master: Machine) -> None:
    """Its manifest is moved back; returns when it leads again. Does nothing if it was not stopped by us."""
    if master.exec("test", "-e", _ASIDE, check=False).returncode != 0:
        return
    # The killed one did not release its lease; without this the new one waits for 15 s.
    lease = (
        "kubectl",
        "--kubeconfig=/etc/kubernetes/admin.conf",
        "-n",
        "kube-system",
        "patch",
        "lease",
    )
    released = '{"spec":{"holderIdentity":""}}'
    master.exec(*lease, "kube-controller-manager", "--type=merge", "-p", released)
    master.sh(f"mv {_ASIDE} {_MANIFESTS}/{_MANIFEST}")
    clock.until("start of the controller-manager", lambda: _controller_manager(master), seconds=90)
    clock.until(
        "leadership of the controller-manager", lambda: _leads(master), seconds=90, every=0.5
    )


def _controller_manager(master: Machine) -> bool:
    return master.exec("pgrep", "-x", "kube-controller", check=False).returncode == 0


def _leads(master: Machine) -> bool:
    """Whether the lease was taken or renewed by the process that runs now."""
    script = """
started=$(stat -c %Y /proc/$(pgrep -x kube-controller))
renewed=$(kubectl --kubeconfig=/etc/kubernetes/admin.conf -n kube-system get lease kube-controller-manager \
  -o jsonpath='{.spec.acquireTime}')
test "$(date -d "$renewed" +%s)" -ge "$started"
"""
    return master.sh(script, check=False).returncode == 0
