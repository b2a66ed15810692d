# The state of a run on a node, for the transaction and for the node's own switch: which it is, and how the next one becomes
# durable. One marker file in the run's folder is renamed:
#
#   prepared > armed > written > restarted > verified > committed | undone
#
# Before each rename everything that the new state relies on is synced, and after it the folder of the marker. So whatever
# a power cut leaves, what the marker says is there. From armed to restarted the switch puts the node back; from verified on
# it finishes the commit.
#
# Set above this text: run root pki config units, and the functions of run_marker.sh
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
umask 077
store=$root/.kubevouch
here=$store/$run
unit=kubevouch-undo-$run
at_boot=kubevouch-undo-at-boot-$run.service
newline='
'

number() { case $1 in '' | *[!0-9]*) printf 0 ;; *) printf '%s' "$1" ;; esac; }
shown() {
  line=$(systemctl show "${2:-kubelet.service}" --property="$1" 2>/dev/null 9>&-)
  printf '%s' "${line#*=}"
}
digest() {
  line=$(sha256sum <"$1" 2>/dev/null)
  printf '%s' "${line%% *}"
}
inode() { stat -c '%d:%i' "$1" 2>/dev/null; }
is_there() { [ -e "$1" ] || [ -L "$1" ]; }

# The kubelet's process, so that it is known whether it is still the one from before.
process() { printf '%s %s' "$(number "$(shown MainPID)")" "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"; }

becomes() { # STATE
  was=$(state_of "$here")
  [ "$was" = "$1" ] || mv -f "$here/$was" "$here/$1" || return 1
  persist "$here"
}

# Makes files and folders durable, each by itself and in this order (sync calls fsync for one after the other): a sync of
# everything waits for every file system, also for one whose server is gone. Before coreutils 8.24 `sync` took no names and
# synced everything; there dd syncs a file, and one that is made in a folder takes the folder's entries with it (ext4 and XFS,
# by their journals).
syncs_names=
persist() { # FILE OR FOLDER...
  [ -n "$syncs_names" ] || case $(sync --help 2>&1) in *FILE*) syncs_names=yes ;; *) syncs_names=no ;; esac
  if [ "$syncs_names" = yes ]; then
    sync "$@"
    return
  fi
  for each in "$@"; do
    if [ -d "$each" ]; then
      dd if=/dev/zero of="$each/.kubevouch-sync" bs=1 count=1 conv=fsync 2>/dev/null || return 1
      rm -f "$each/.kubevouch-sync"
    else
      dd if=/dev/null of="$each" conv=notrunc,fsync 2>/dev/null || return 1
    fi
  done
}

# Puts NEW at the place of a file that is still the one with this digest. 0: done. 1: it cannot be done. 2: it is another file,
# or has another content, and stays. With `mv --exchange` (coreutils 9.5) what was replaced is looked at once more, and comes
# back if it was not the one. Without it an edit by rename in the moment between the last look and the rename is lost.
replace() { # NEW PLACE DIGEST
  known=$(inode "$2")
  [ "$(digest "$2")" = "$3" ] || return 2
  case $(mv --help 2>&1) in
    *--exchange*)
      mv -T --exchange "$1" "$2" || return 1
      if [ "$(inode "$1")" = "$known" ] && [ "$(digest "$1")" = "$3" ]; then rm -f "$1" && return 0; fi
      mv -T --exchange "$1" "$2"
      return 2
      ;;
  esac
  [ "$(inode "$2")" = "$known" ] || return 2
  mv -f "$1" "$2"
}

# One call at a time. The lock lives on an open file: a killed shell leaves none behind. It holds who has it, so that the
# switch can end a call that was stopped (take_lock in undo.sh).
lock_within() { # SECONDS. A failed redirection ends some shells at once: `command exec` only fails.
  command exec 9<>"$store/lock" || return 2
  waited=0
  until flock -n 9; do
    [ "$waited" -lt "$1" ] || return 1
    sleep 1
    waited=$((waited + 1))
  done
  printf '%s %s\n' $$ "$(started_at $$)" >"$store/lock" 2>/dev/null || :
}
# When a process began, in ticks since boot: together with its number that names a process once for all.
started_at() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# The certificate that was issued, as the kubelet keeps it; it does not sync what it writes.
issued_is_durable() {
  [ -s "$pki/kubelet-server-current.pem" ] && persist "$(readlink -f "$pki/kubelet-server-current.pem")" "$pki"
}

# After `verified`. The seed goes only where a certificate stays.
finish_commit() {
  if [ "$(digest "$pki/kubelet-server.crt")" = "$(cat "$here/seed.sha256")" ] && issued_is_durable; then
    rm -f "$pki/kubelet-server.crt" "$pki/kubelet-server.key" && persist "$pki" || return 1
  fi
  becomes committed
}

# The last thing of a run on a node, once its end is durable.
remove_switch() {
  rm -f "$units/multi-user.target.wants/$at_boot" "$units/$at_boot" 2>/dev/null
  for each in "$units/multi-user.target.wants" "$units"; do
    [ ! -d "$each" ] || persist "$each" 2>/dev/null
  done
  systemctl stop "$unit.timer" 2>/dev/null 9>&-
  return 0
}
