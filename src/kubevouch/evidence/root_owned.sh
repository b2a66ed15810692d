# Whether users other than root could change or replace the folder at a path. Prints the first component that they could
# change, and why; prints nothing if root owns every component and nobody else may write there. The path must be resolved:
# a link in it is refused, too. A sticky /tmp counts as writable, since others may create files there.
not_only_roots() ( # FOLDER
  at=${1%/} folder=${1%/} what=
  case $1 in
    /*) ;;
    *) printf '%s is not an absolute path' "${1:-the empty path}" && return ;;
  esac
  set --
  while :; do
    at=${at:-/}
    if [ -L "$at" ] || [ ! -d "$at" ]; then what="$at is not a folder, or is a link" && break; fi
    set -- "$@" "$at"
    [ "$at" != / ] || break
    at=${at%/*}
  done
  # One stat for all components, from the folder up to /.
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
# The same check for a single folder or file, without its parents. Fails if it prints something.
ownership() { # FOLDER OR FILE
  seen=$(stat -c '%u %a' "$1" 2>/dev/null)
  [ -n "$seen" ] || { printf 'the owner of %s cannot be read' "$1" && return 1; }
  roots_alone "$1" "${seen%% *}" "${seen#* }"
}
roots_alone() { # FOLDER-OR-FILE OWNER-ID MODE
  [ "$2" = 0 ] || { printf '%s is owned by the user with ID %s, not by root' "$1" "$2" && return 1; }
  case $3 in
    *[2367] | *[2367]?) printf '%s is writable by users other than root (mode %s)' "$1" "$3" && return 1 ;;
  esac
  return 0
}
