# Ends a run on a node that was not ended: puts the kubelet back to what it was before, or finishes the commit of a run that
# was verified. Called by the run's own switch (timer, boot unit), again and again until it succeeds, and by us. Whatever a
# power cut or a kill has left, it goes on from there. Renames only, apart from an edit of somebody else's that stays: it must
# work on a full disk.
#
# The order matters: the configuration first, then the proof that the kubelet runs with it, and only then the pairs (before
# that proof where it asks all the same). As long as one of them fails, what follows is not touched and the switch stays.
#
# Set above this text: asks, those of run_state.sh, and the functions of root_owned.sh; locked, by a caller that has the lock.
say() { printf '%s; ' "$*" >&2; }
give_up() { say "$1" && exit 1; }

# A call that was stopped (SIGSTOP, a debugger) holds the lock for ever. The lock says who it is; it ends with its children.
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

# Somebody else's edit stays, without our line if that stands there as we wrote it.
take_our_line_out() { # DIGEST
  say "$config was edited by somebody else meanwhile: that edit stays"
  at=
  [ ! -s "$here/line.ours" ] || at=$(awk 'NR == FNR { ours = $0; next } $0 "" == ours "" { print FNR }' "$here/line.ours" "$config")
  case $at in
    '') return 0 ;; # whether serverTLSBootstrap is on in it all the same is asked for before the pairs are touched
    *"$newline"*) say "our line stands there more than once, and is left to you" && return 1 ;;
  esac
  cp -a "$config" "$here/config.theirs" &&
    { head -n $((at - 1)) "$config" && cat "$here/line.before" && tail -n "+$((at + 1))" "$config"; } >"$here/config.theirs" &&
    persist "$here/config.theirs" || return 1
  replace "$here/config.theirs" "$config" "$1" || return $?
  say "only our line was taken out"
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

# A start counts for systemd before the kubelet has read its configuration.
stays_up() {
  first=$(shown MainPID)
  for second in 1 2 3; do
    [ "$(shown ActiveState)" = active ] && [ "$(shown MainPID)" = "$first" ] || return 1
    sleep 1
  done
}

restart() {
  # A begin that was cut off before its restart has left the very process that ran before.
  case $(state_of "$here") in
    armed | written) [ "$(cat "$here/process" 2>/dev/null)" != "$(process)" ] || return 0 ;;
  esac
  systemctl reset-failed kubelet.service 2>/dev/null 9>&-
  complaint=$(systemctl restart kubelet.service 2>&1 9>&-) || give_up "the kubelet cannot be restarted with its former files: $complaint"
  stays_up || give_up "the kubelet does not stay up with its former files"
}

# Whether the configuration asks for certificates all the same: it did so before (a drop-in, or a run that only restarted), or
# somebody else's edit says so.
mentions_bootstrap() {
  awk '{ line = tolower($0); sub(/#.*/, "", line) }
    line ~ /servertlsbootstrap/ && line !~ /servertlsbootstrap["\047]?[ \t]*:[ \t]*false/ { found = 1 }
    END { exit !found }' "$config"
}
still_asks() { [ "$asks" = yes ] || mentions_bootstrap; }

# Of the kubelet-server* files those are new that were not there before (kept/), or whose older namesake has been set aside.
restore_pairs() {
  for file in "$pki"/kubelet-server*; do
    name=${file##*/}
    if [ -e "$here/kept/$name" ] && ! is_there "$here/aside/$name"; then continue; fi
    ! is_there "$file" || mv -f "$file" "$here/strays/" || return 1
  done
  for file in "$here"/aside/*; do
    ! is_there "$file" || mv -f "$file" "$pki/" || return 1
  done
  rm -f "$here/seed.key" "$here/strays/kubelet-server.key" # the seed's key is of no more use
  for file in "$here"/strays/*; do # what stays may be an issued pair with its key
    if [ -f "$file" ] && [ ! -L "$file" ]; then chmod go= "$file"; fi
  done
  persist "$pki" "$here/aside" "$here/strays"
}
pairs_back() { restore_pairs || give_up "the former pairs in $pki could not be put back"; }

[ -e "$here" ] || exit 0
for folder in "$here" "$pki" "${config%/*}"; do
  why=$(not_only_roots "$folder")
  [ -z "$why" ] || { printf '%s; nothing was done\n' "$why" >&2 && exit 1; }
done
take_lock || give_up "another call holds the lock of this node ($store/lock)"
case $(state_of "$here") in
  armed | written | restarted) ;;
  *) # nothing was changed, or the run has ended: only the end of its commit, or the switch, may be left of it
    [ "$(state_of "$here")" != verified ] || finish_commit || give_up "the commit could not be finished"
    remove_switch
    exit 0
    ;;
esac
restore_config || give_up "the former $config could not be put back; nothing else was touched"
persist "$config" "${config%/*}" "$here" || give_up "$config could not be synced"
if still_asks && [ "$(date +%s)" -lt "$(number "$(cat "$here/former_until" 2>/dev/null)")" ]; then
  pairs_back # its kubelet serves what it finds at its start
  restart
elif restart && still_asks; then
  say "serverTLSBootstrap is on all the same, so the certificates in $pki stay as they are"
else # the kubelet that runs now asks for nothing
  pairs_back
fi
becomes undone || give_up "the run's record cannot be changed"
remove_switch
