# Reads and changes the state of a run on a node, durably. The transaction and the node's own switch use it. One marker file in
# the run's folder is renamed:
#
#   prepared > armed > written > restarted > verified > committed | undone
#
# Everything that the new state relies on is synced before the rename, and the marker's folder after it. So after a power cut
# the disk has what the marker says. From armed to restarted the switch puts the node back; from verified on it finishes the
# commit.
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

# The kubelet's main PID and the boot ID, to detect a restart.
process() { printf '%s %s' "$(number "$(shown MainPID)")" "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"; }

becomes() { # STATE
  was=$(state_of "$here")
  [ "$was" = "$1" ] || mv -f "$here/$was" "$here/$1" || return 1
  persist "$here"
}

# Syncs files and folders one by one, in this order (sync calls fsync for each): a sync of everything waits for every file
# system, even one whose server is down. Before coreutils 8.24 `sync` took no names and synced everything. There dd syncs a
# file, and a new file in a folder also syncs the folder's entries (by the journals of ext4 and XFS).
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

# Replaces a file by NEW if the file still has this digest. Returns 0 if done, 1 if that failed, 2 if the file or its content was
# changed and so was left alone. With `mv --exchange` (coreutils 9.5) the replaced file is checked again, and restored if it is
# another one. Without it, an edit by rename between the last check and our rename is lost.
replace() { # NEW PATH DIGEST
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

# Allows one call at a time. The lock is on an open file, so a killed shell leaves no lock behind. The file names the holder, so
# the switch can kill a stopped call (take_lock in undo.sh).
lock_within() { # SECONDS. A failed redirection ends some shells; with `command exec` it only fails.
  command exec 9<>"$store/lock" || return 2
  waited=0
  until flock -n 9; do
    [ "$waited" -lt "$1" ] || return 1
    sleep 1
    waited=$((waited + 1))
  done
  printf '%s %s\n' $$ "$(started_at $$)" >"$store/lock" 2>/dev/null || :
}
# A process's start time, in ticks since boot. With the PID it identifies a process.
started_at() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# Syncs the issued certificate, since the kubelet does not.
issued_is_durable() {
  [ -s "$pki/kubelet-server-current.pem" ] && persist "$(readlink -f "$pki/kubelet-server-current.pem")" "$pki"
}

# Runs after `verified`. Removes the seed only if an issued certificate is on the disk.
finish_commit() {
  if [ "$(digest "$pki/kubelet-server.crt")" = "$(cat "$here/seed.sha256")" ] && issued_is_durable; then
    rm -f "$pki/kubelet-server.crt" "$pki/kubelet-server.key" && persist "$pki" || return 1
  fi
  becomes committed
}

# The last step of a run on a node, once its final state is durable.
remove_switch() {
  rm -f "$units/multi-user.target.wants/$at_boot" "$units/$at_boot" 2>/dev/null
  for each in "$units/multi-user.target.wants" "$units"; do
    [ ! -d "$each" ] || persist "$each" 2>/dev/null
  done
  systemctl stop "$unit.timer" 2>/dev/null 9>&-
  return 0
}
