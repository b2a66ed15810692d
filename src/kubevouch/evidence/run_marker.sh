# Which folders are records of runs of `apply`, and which state one says: the marker that is there, of several the later one.
#
# Nothing is set above this text.
is_run() { # NAME: as runs are called (RUN_NAME in evidence/survey.py)
  case $1 in
    *[!0123456789abcdef]*) return 1 ;;
  esac
  [ "${#1}" -ge 4 ] && [ "${#1}" -le 32 ]
}
state_of() { # FOLDER: nothing where the run has no marker yet
  found=
  for each in prepared armed written restarted verified committed undone; do
    [ ! -e "$1/$each" ] || found=$each
  done
  printf '%s' "$found"
}
told_state_of() { # FOLDER: as a reader is told it
  told=$(state_of "$1")
  # An undo that found nothing leaves its mark only, so that the run does not begin later.
  [ "$told" != undone ] || [ -e "$1/undo.sh" ] || told=barred
  printf '%s' "${told:-unfinished}"
}
