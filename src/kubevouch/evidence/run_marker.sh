# Functions for the run folders of `apply`: whether a folder is one, and its state. The state is the latest marker file.
#
# Nothing is set above this text.
is_run() { # NAME: whether it is the name of a run (RUN_NAME in evidence/survey.py)
  case $1 in
    *[!0123456789abcdef]*) return 1 ;;
  esac
  [ "${#1}" -ge 4 ] && [ "${#1}" -le 32 ]
}
state_of() { # FOLDER: prints nothing if the run has no marker yet
  found=
  for each in prepared armed written restarted verified committed undone; do
    [ ! -e "$1/$each" ] || found=$each
  done
  printf '%s' "$found"
}
told_state_of() { # FOLDER: the state for reports
  told=$(state_of "$1")
  # An undo that found nothing leaves only its marker, so that the run does not begin later.
  [ "$told" != undone ] || [ -e "$1/undo.sh" ] || told=barred
  printf '%s' "${told:-unfinished}"
}
