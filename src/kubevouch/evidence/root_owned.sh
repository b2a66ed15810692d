# Who but root could change what lies at a path, or put something else in its place? Prints the first component for which
# the answer is "somebody", and what was seen of it; nothing where every component is a folder of root's that nobody else
# may write. The path is a resolved one, so a link on it is refused, too. A sticky /tmp counts as writable: others may make
# what is not there yet.
not_only_roots() ( # FOLDER
  at=${1%/}
  case $1 in
    /*) ;;
    *) printf '%s is no absolute path' "${1:-the empty path}" && return ;;
  esac
  while :; do
    at=${at:-/}
    if [ -L "$at" ] || [ ! -d "$at" ]; then printf '%s is not a folder, or is a link' "$at" && return; fi
    ownership "$at" || return 0
    [ "$at" != / ] || return 0
    at=${at%/*}
  done
)
# The same for one folder or file by itself. Fails where it has printed something.
ownership() {
  seen=$(stat -c '%u %a' "$1" 2>/dev/null)
  case $seen in
    '') printf 'the owner of %s cannot be read' "$1" && return 1 ;;
    '0 '*[2367] | '0 '*[2367]?) printf '%s may be written by others than root (its mode is %s)' "$1" "${seen#0 }" && return 1 ;;
    '0 '*) return 0 ;;
  esac
  printf '%s belongs to the user with id %s, not to root' "$1" "${seen%% *}"
  return 1
}
