# Ends an unfinished run on a node: puts the kubelet back, or finishes the commit of a verified run. The run's own switch (timer,
# boot unit) runs this script until it succeeds; transaction.sh runs it, too. It continues from whatever a power cut or a kill has left.
# It only renames files, except to keep somebody else's edit: it must work on a full disk.
#
# The order matters: first the configuration, then the proof that the kubelet runs with it, and only then the key pairs (before
# that proof if serverTLSBootstrap stays on). If a step fails, the later steps are skipped and the switch stays.
#
# Set above this text: asks, the variables of run_state.sh, and the functions of root_owned.sh. A caller with the lock sets locked.
say() { printf '%s; ' "$*" >&2; }
give_up() { say "$1" && exit 1; }

# A stopped call (SIGSTOP, a debugger) would hold the lock for ever. So we kill the call that the lock file names, and its children.
take_lock() {
  [ -z "${locked:-}" ] || return 0
  lock_within 60 && return 0
  read -r holder began <"$store/lock" || return 1
  [ -n "$began" ] && [ "$(started_at "$holder")" = "$began" ] || return 1
  end "$holder"
  lock_within 60
}
end() (
  children=$(cat "/proc/$1/task/$1/children" 2>/dev/null)
  kill -9 "$1" 2>/dev/null
  for child in $children; do end "$child"; done
)

# Keeps somebody else's edit, but removes our line if it is unchanged.
take_our_line_out() { # DIGEST
  say "$config was edited by somebody else meanwhile, and that edit is kept"
  at=
  [ ! -s "$here/line.ours" ] || at=$(awk 'NR == FNR { ours = $0; next } $0 "" == ours "" { print FNR }' "$here/line.ours" "$config")
  case $at in
    '') return 0 ;; # still_asks checks serverTLSBootstrap before the key pairs are touched
    *"$newline"*) say "the line of this run occurs more than once; remove it yourself" && return 1 ;;
  esac
  cp -a "$config" "$here/config.theirs" &&
    { head -n $((at - 1)) "$config" && cat "$here/line.before" && tail -n "+$((at + 1))" "$config"; } >"$here/config.theirs" &&
    persist "$here/config.theirs" || return 1
  replace "$here/config.theirs" "$config" "$1" || return $?
  say "only the line of this run was removed"
}

restore_config() {
  before=$(cat "$here/before.sha256") after=$(cat "$here/after.sha256")
  for attempt in 1 2 3; do
    now=$(digest "$config")
    if [ "$now" = "$before" ]; then
      return 0
    elif [ "$now" = "$after" ] && [ -e "$here/config.before" ]; then
      replace "$here/config.before" "$config" "$now"
    else
      take_our_line_out "$now"
    fi
    case $? in 0) return 0 ;; 1) return 1 ;; esac
  done
  return 1
}

# systemd counts the kubelet as started before the kubelet has read its configuration.
stays_up() {
  first=$(shown MainPID)
  for second in 1 2 3; do
    [ "$(shown ActiveState)" = active ] && [ "$(shown MainPID)" = "$first" ] || return 1
    sleep 1
  done
}

restart() {
  # If begin was interrupted before its restart, the kubelet's old process still runs.
  case $(state_of "$here") in
    armed | written) [ "$(cat "$here/process" 2>/dev/null)" != "$(process)" ] || return 0 ;;
  esac
  systemctl reset-failed kubelet.service 2>/dev/null 9>&-
  complaint=$(systemctl restart kubelet.service 2>&1 9>&-) || give_up "the kubelet cannot be restarted with its former files: $complaint"
  stays_up || give_up "the kubelet does not stay up with its former files"
}

# Whether the restored configuration still requests certificates: it did before the run (a drop-in, or a run that only restarted),
# or somebody else's edit turned that on.
mentions_bootstrap() {
  awk '{ line = tolower($0); sub(/#.*/, "", line) }
    line ~ /servertlsbootstrap/ && line !~ /servertlsbootstrap["\047]?[ \t]*:[ \t]*false/ { found = 1 }
    END { exit !found }' "$config"
}
still_asks() { [ "$asks" = yes ] || mentions_bootstrap; }

# A kubelet-server* file is new if kept/ does not list it, or if aside/ has an older file of that name.
restore_pairs() {
  for file in "$pki"/kubelet-server*; do
    name=${file##*/}
    if [ -e "$here/kept/$name" ] && ! is_there "$here/aside/$name"; then continue; fi
    ! is_there "$file" || mv -f "$file" "$here/strays/" || return 1
  done
  for file in "$here"/aside/*; do
    ! is_there "$file" || mv -f "$file" "$pki/" || return 1
  done
  rm -f "$here/seed.key" "$here/strays/kubelet-server.key" # the seed's key is no longer needed
  for file in "$here"/strays/*; do # strays may include an issued certificate with its key
    if [ -f "$file" ] && [ ! -L "$file" ]; then chmod go= "$file"; fi
  done
  persist "$pki" "$here/aside" "$here/strays"
}
pairs_back() { restore_pairs || give_up "the former key pairs in $pki could not be put back"; }

[ -e "$here" ] || exit 0
for folder in "$here" "$pki" "${config%/*}"; do
  why=$(not_only_roots "$folder")
  [ -z "$why" ] || { printf '%s; nothing was done\n' "$why" >&2 && exit 1; }
done
take_lock || give_up "another call holds the lock of this node ($store/lock)"
case $(state_of "$here") in
  armed | written | restarted) ;;
  *) # nothing was changed, or the run has ended: at most the commit and the switch are left to finish
    [ "$(state_of "$here")" != verified ] || finish_commit || give_up "the commit could not be finished"
    remove_switch
    exit 0
    ;;
esac
rm -f "$here/seed.sha256" # from here on the run does not go on (goes_on in transaction.sh)
restore_config || give_up "the former $config could not be put back; nothing else was touched"
persist "$config" "${config%/*}" "$here" || give_up "$config could not be synced"
if still_asks && [ "$(date +%s)" -lt "$(number "$(cat "$here/former_until" 2>/dev/null)")" ]; then
  # The kubelet serves the pair that it finds when it starts. A retry keeps the pair that the kubelet has renewed since.
  pairs_back && rm -f "$here/former_until"
  restart
elif restart && still_asks; then
  say "serverTLSBootstrap is still on, so the certificates in $pki stay as they are"
else # the kubelet now requests no certificates
  pairs_back
fi
becomes undone || give_up "the run's record cannot be changed"
remove_switch
