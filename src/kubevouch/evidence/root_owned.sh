# Who but root could change what lies at a path, or put something else in its place? Prints the first component for which
# the answer is "somebody", and what was seen of it; nothing where every component is a folder of root's that nobody else
# may write. The path is a resolved one, so a link on it is refused, too. A sticky /tmp counts as writable: others may make
# what is not there yet.
not_only_roots() ( # FOLDER
  at=${1%/} folder=${1%/} what=
  case $1 in
    /*) ;;
    *) printf '%s is no absolute path' "${1:-the empty path}" && return ;;
  esac
  set --
  while :; do
    at=${at:-/}
    if [ -L "$at" ] || [ ! -d "$at" ]; then what="$at is not a folder, or is a link" && break; fi
    set -- "$@" "$at"
    [ "$at" != / ] || break
    at=${at%/*}
  done
  # One program looks at all of them, from below up to /.
  components=$# at=$folder
  [ "$components" = 0 ] || set -- $(stat -c '%u %a' "$@" 2>/dev/null)
  [ $# = $((2 * components)) ] || { printf 'the owner of %s, or of a folder above it, cannot be read' "${folder:-/}" && return; }
  while [ $# -gt 0 ]; do
    roots_alone "${at:-/}" "$1" "$2" || return 0
    at=${at%/*}
    shift 2
  done
  printf '%s' "$what"
)
# The same for one folder or file by itself. Fails where it has printed something.
ownership() { # FOLDER OR FILE
  seen=$(stat -c '%u %a' "$1" 2>/dev/null)
  [ -n "$seen" ] || { printf 'the owner of %s cannot be read' "$1" && return 1; }
  roots_alone "$1" "${seen%% *}" "${seen#* }"
}
roots_alone() { # FOLDER OR FILE, the id of its USER, its MODE
  [ "$2" = 0 ] || { printf '%s belongs to the user with id %s, not to root' "$1" "$2" && return 1; }
  case $3 in
    *[2367] | *[2367]?) printf '%s may be written by others than root (its mode is %s)' "$1" "$3" && return 1 ;;
  esac
  return 0
}
