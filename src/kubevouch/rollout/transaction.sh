# Changes one node, one action per call: begin, commit, rollback (an unfinished run) or undo (any run). Each action is idempotent:
# a second call finishes what a killed call has left. Needs POSIX sh, coreutils, util-linux (flock) and systemd; the survey checks
# these.
#
# The run's folder on the node holds the run's state (run_state.sh). A rename needs no space on a full disk. So old files are kept
# by link and rename, and all new files are written before the first change.
#
# Set above this text: action fence machine identity holder node before content after line_ours line_before seed_certificate
# seed_sha seed_key seed_from seed_until seed_chain former_until undo_script places switch boot_unit, the variables of
# run_state.sh, and the functions of identity.sh and root_owned.sh
trap '' HUP PIPE

answer() { # OUTCOME WHY
  printf 'kubevouch-answer: {"outcome":"%s","why":"%s","pid":%s}\n' "$1" \
    "$(printf '%s' "$2" | base64 | tr -d '\n')" "$(number "$(shown MainPID)")"
  exit 0
}
refuse() { answer refused "$1"; }
give_up() { # before the first change: remove what was prepared
  stop_switch
  rm -rf "$here"
  refuse "$1; nothing was changed"
}
take_back() { # after the first change: undo, as the switch would
  # Runs the script that we sent: the copy on the disk is for the node's own switch.
  said=$(eval "locked=yes$newline$(printf '%s' "$undo_script" | base64 -d)" 2>&1)
  said=${said%; }
  case $(state_of "$here") in
    undone) stop_switch && answer undone "$1${1:+${said:+; }}$said" ;;
    *)
      # The switch need not wait for its timer: from now on it retries every 15 s.
      systemctl --no-block start "$unit.service" 2>/dev/null 9>&-
      answer half "$1${1:+; }not undone yet${said:+: $said}"
      ;;
  esac
}
# Does not go on with a run that an undo has begun to take back (undo.sh): only the undo may finish it.
goes_on() { [ -e "$here/seed.sha256" ] || take_back "an undo of this run has begun"; }
lock() {
  mkdir -p "$store" || refuse "$store cannot be created; nothing was changed"
  lock_within 30
  case $? in
    1) answer busy "another call holds the lock of this node ($store/lock)" ;;
    2) refuse "$store/lock cannot be written; nothing was changed" ;;
  esac
  only_roots "$here" # another call may replace this folder before
}

# Each holder of the cluster's Lease gets a higher number; calls of earlier holders are refused. 0: there is no Lease.
fenced() {
  [ "$fence" != 0 ] || return 0
  highest=$(number "$(head -c 20 "$store/fence" 2>/dev/null)")
  [ "$fence" -ge "$highest" ] ||
    refuse "a newer holder of the Lease has called this node (number $highest; this call has $fence); if no other run is active, remove $store/fence on the node"
  [ "$fence" -gt "$highest" ] || return 0
  { printf '%s' "$fence" >"$store/fence.new" && persist "$store/fence.new" && mv -f "$store/fence.new" "$store/fence" && persist "$store"; } 2>/dev/null ||
    [ "$action" != begin ] || refuse "$store/fence cannot be written; nothing was changed"
}

# Checks the machine-id again, in the call that makes the change.
right_machine() {
  [ -n "$machine" ] && [ "$(cat /etc/machine-id 2>/dev/null)" = "$machine" ] ||
    refuse "the machine-id is not the plan's"
}

# Only root may own or write the folders that we write to, and the run's folder with its script.
only_roots() { # [RUN'S FOLDER]
  for folder in "$root" "$pki" "${config%/*}" "$store" "$@"; do
    is_there "$folder" || continue
    why=$(not_only_roots "$folder")
    [ -z "$why" ] || refuse "$why; nothing was done"
  done
  for file in "$config" ${1:+"$1/undo.sh"}; do
    [ ! -e "$file" ] || { why=$(ownership "$file") && [ -f "$file" ] && [ ! -L "$file" ]; } ||
      refuse "${why:-$file is not a file}; nothing was done"
  done
}

# An undo writes only to folders that the run has written to: the run's record, which only root can write, names them.
recorded() {
  case $newline$(head -c 65536 "$here/undo.sh" 2>/dev/null) in
    *"$newline$places"*) ;;
    *) refuse "the plan's folders and config.yaml ($root, $pki, $config) are not those in the run's record, $here/undo.sh; nothing was done" ;;
  esac
}

unpacked() { printf '%s' "$1" | base64 -d; }

# Makes the seed from a key that the node already has. Its certificate comes from us, or is the node's own if that is valid for long enough.
make_seed() {
  now=$(date +%s)
  [ "$seed_from" -le "$now" ] && [ $((now + switch + 3600)) -le "$seed_until" ] ||
    give_up "by this node's clock, the seed certificate is not valid from now until an hour after the switch"
  [ "$(digest "$seed_certificate")" = "$seed_sha" ] || give_up "$seed_certificate has been changed since it was read"
  # Keeps the attributes of the files (owner, SELinux label).
  cp -a "$seed_certificate" "$here/seed.crt" && cp -a "$seed_key" "$here/seed.key" && chmod 600 "$here/seed.key" &&
    { [ -z "$seed_chain" ] || unpacked "$seed_chain" >"$here/seed.crt"; } &&
    awk '/^-----BEGIN .*PRIVATE KEY-----/, /^-----END .*PRIVATE KEY-----/' "$seed_key" >"$here/seed.key" ||
    give_up "the seed cannot be written"
  [ -s "$here/seed.crt" ] || give_up "the seed certificate was not written completely"
  [ -s "$here/seed.key" ] || give_up "$seed_key contains no private key, or the copy is incomplete"
}

prepare() {
  mkdir "$here" "$here/kept" "$here/aside" "$here/strays" || give_up "$here cannot be created"
  for file in "$pki"/kubelet-server*; do
    ! is_there "$file" || printf '' >"$here/kept/${file##*/}" || give_up "the run's record cannot be written"
  done
  ln "$config" "$here/config.before" || give_up "the old $config cannot be kept"
  cp -a "$config" "$here/config.after" || give_up "the new $config cannot be prepared"
  unpacked "$content" >"$here/config.after" || give_up "the new $config cannot be written"
  [ "$(digest "$here/config.after")" = "$after" ] || give_up "the new $config was not written completely"
  make_seed
  unpacked "$undo_script" >"$here/undo.sh" || give_up "the undo script cannot be written"
  [ "$(base64 <"$here/undo.sh" | tr -d '\n')" = "$undo_script" ] || give_up "the undo script was not written completely"
  {
    digest "$here/seed.crt" >"$here/seed.sha256" && printf '%s' "$before" >"$here/before.sha256" &&
      printf '%s' "$after" >"$here/after.sha256" && unpacked "$line_ours" >"$here/line.ours" &&
      unpacked "$line_before" >"$here/line.before" && process >"$here/process" &&
      printf '%s' "$former_until" >"$here/former_until" && printf '%s' "$(($(date +%s) + switch))" >"$here/fires"
  } || give_up "the run's record cannot be written"
  for file in seed.sha256 before.sha256 after.sha256 former_until fires; do
    [ -s "$here/$file" ] || give_up "the run's record was not written completely"
  done
  printf '' >"$here/prepared" || give_up "the run's record cannot be written"
  persist "$here"/* "$here" "$store" || give_up "the run's record cannot be synced"
}

# Quotes a word for a unit file if needed (systemd.syntax(7), systemd.service(5)).
unit_word() {
  case $1 in
    *[!A-Za-z0-9/._@:,+-]*) printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g; s/%/%%/g')" ;;
    *) printf '%s' "$1" ;;
  esac
}
# The timer does not survive a reboot. This unit ends the run at the next boot, once all folders are mounted.
at_boot_text() {
  printf '[Unit]\nDescription=kubevouch: end run %s after a restart of the machine\n' "$run"
  printf 'RequiresMountsFor=%s %s %s\n' "$(unit_word "$here")" "$(unit_word "$pki")" "$(unit_word "${config%/*}")"
  printf 'After=local-fs.target kubelet.service\nConditionPathExists=%s\nStartLimitIntervalSec=0\n' \
    "$(printf '%s' "$here/undo.sh" | sed 's/%/%%/g')"
  printf '[Service]\nType=simple\nExecStart=/bin/sh %s\nRestart=on-failure\nRestartSec=15\n' \
    "$(unit_word "$here/undo.sh" | sed 's/\$/$$/g')"
}
set_at_boot() {
  [ "$boot_unit" = yes ] || return 0
  wants=$units/multi-user.target.wants
  at_boot_text >"$units/$at_boot" && mkdir -p "$wants" && ln -sf "../$at_boot" "$wants/$at_boot" &&
    persist "$units/$at_boot" "$wants" "$units" || return 1
  [ -s "$units/$at_boot" ] && [ "$(at_boot_text)" = "$(cat "$units/$at_boot")" ] && [ "$wants/$at_boot" -ef "$units/$at_boot" ] || return 1
  case $(shown LoadState "$at_boot") in masked | error | bad-setting) return 1 ;; esac
}
set_timer() {
  systemd-run --unit="$unit" --on-active="$switch" --timer-property=AccuracySec=1s \
    --property=Restart=on-failure --property=RestartSec=15 \
    --description="kubevouch: undo run $run unless it is verified" /bin/sh "$here/undo.sh" 9>&- || return 1
  [ "$(shown ActiveState "$unit.timer")" = active ] || { echo "$unit.timer does not run" && return 1; }
}
stop_switch() {
  remove_switch
  for each in "$unit.service" "$unit.timer"; do
    systemctl stop "$each" 2>/dev/null 9>&-
    systemctl reset-failed "$each" 2>/dev/null 9>&-
  done
  return 0
}
# Sets both parts of the switch, before the first change.
set_switch() {
  complaint=$(set_at_boot 2>&1) || { complaint="the unit $units/$at_boot cannot be written: $complaint" && return 1; }
  complaint=$(set_timer 2>&1) || { complaint="the dead-man's switch cannot be set: $complaint" && return 1; }
}

# Skips the steps that a killed call has already done.
change() {
  for file in "$pki"/kubelet-server*; do
    name=${file##*/}
    if [ -e "$here/kept/$name" ] && ! is_there "$here/aside/$name"; then mv "$file" "$here/aside/" || return 1; fi
  done
  [ ! -e "$here/seed.crt" ] || mv -f "$here/seed.crt" "$pki/kubelet-server.crt" || return 1
  [ ! -e "$here/seed.key" ] || mv -f "$here/seed.key" "$pki/kubelet-server.key" || return 1
  persist "$here/aside" "$pki" || return 1
  if [ "$before" != "$after" ] && [ "$(digest "$config")" != "$after" ]; then
    replace "$here/config.after" "$config" "$before" || return $?
    [ "$(digest "$here/config.before")" = "$before" ] || return 2
  fi
  persist "$config" "${config%/*}"
}

no_other_run() {
  for other in "$store"/*/; do
    case $(state_of "$other") in
      armed | written | restarted | verified)
        [ "${other%/}" = "$here" ] || refuse "another run is in progress on this node: ${other%/}"
        ;;
    esac
  done
}
may_begin() { # checked before anything is created, and again under the lock
  no_other_run
  # The file before the state: another call of this run may change both meanwhile, and it writes the state first.
  found=$(digest "$config")
  case $(state_of "$here") in '' | prepared) ;; *) return ;; esac
  identity_in "$identity" | names_holder $holder ||
    refuse "the kubelet's client certificate ($identity) is not for system:node:$node"
  [ "$found" = "$before" ] || refuse "$config has been changed since the plan"
}

begin() {
  right_machine
  only_roots
  may_begin
  lock
  fenced
  may_begin
  case $(state_of "$here") in
    armed | written) # from a call that was killed
      goes_on
      [ "$(shown ActiveState "$unit.timer")" = active ] || take_back "the dead-man's switch is no longer set"
      ;;
    restarted) goes_on && answer begun "already begun in this run" ;;
    verified) finished "already done in this run" ;;
    committed) answer committed "already done in this run" ;;
    undone) refuse "this run was undone on this node; make a new plan" ;;
    *)
      [ ! -d "$here" ] || stop_switch # from a call that was killed before its first change
      rm -rf "$here"
      prepare
      set_switch || give_up "$complaint"
      becomes armed || give_up "the run's record cannot be changed"
      ;;
  esac
  if [ "$(state_of "$here")" = armed ]; then
    change
    case $? in
      0) ;;
      2) take_back "$config was edited by somebody else at the same moment" ;;
      *) take_back "the files could not be put in place" ;;
    esac
    becomes written || take_back "the run's record cannot be changed"
  fi
  complaint=$(systemctl restart kubelet.service 2>&1 9>&-) || take_back "the kubelet cannot be restarted: $complaint"
  becomes restarted || take_back "the run's record cannot be changed"
  answer begun ""
}

older() { # BEGUN: folders of the runs that have begun here (yes) or not (no), except the last three
  ls -dt "$store"/*/ 2>/dev/null | while IFS= read -r each; do
    begun=no
    [ ! -e "$each/undo.sh" ] || begun=yes
    [ "$begun" != "$1" ] || printf '%s\n' "$each"
  done | tail -n +4
}
# Removes records of older runs. Keeps the last three that have begun, and the last three that bar a run from beginning.
forget_older() {
  { older yes; older no; } | while IFS= read -r old; do
    case $(state_of "$old") in armed | written | restarted | verified) continue ;; esac
    [ "${old%/}" = "$here" ] || rm -rf "$old"
  done
}

finished() { # WHY: once verified, only an undo takes the change back
  finish_commit || refuse "the commit could not be finished; the node is verified, and its own switch will finish the commit"
  stop_switch
  forget_older
  answer committed "$1"
}

commit() {
  only_roots
  [ -d "$here" ] || answer nothing "this run has not begun on this node"
  lock
  fenced
  case $(state_of "$here") in
    committed) stop_switch && answer committed "" ;;
    verified) finished "" ;;
    undone) answer undone "the node's own switch has undone this run" ;;
    restarted) goes_on ;;
    armed | written) take_back "the change was interrupted before the restart" ;;
    *) answer nothing "this run has not begun on this node" ;;
  esac
  [ "$(digest "$config")" = "$after" ] || take_back "$config has been changed since it was written"
  issued_is_durable # without an issued certificate the seed stays
  persist "$config" && becomes verified || refuse "the run's record cannot be changed"
  finished ""
}

# The run has changed nothing here and must not begin later: a begin call that is still in transit finds this marker.
bar() {
  stop_switch
  rm -rf "$here"
  { mkdir "$here" && printf '' >"$here/undone" && persist "$here" "$store"; } || refuse "the run's record cannot be written"
  answer nothing "this run has not changed this node"
}

# Rolls back an unfinished run. A verified node stays changed, whichever call verified it.
rollback() {
  right_machine
  only_roots
  lock
  fenced
  case $(state_of "$here") in
    committed) stop_switch && answer committed "this run was committed on this node, so a rollback changes nothing" ;;
    verified) finished "this run was verified on this node, so a rollback changes nothing" ;;
  esac
  end_run
}

# Undoes any run.
undo() {
  right_machine
  only_roots
  lock
  fenced
  case $(state_of "$here") in
    committed | verified) undo_finished ;;
  esac
  end_run
}
end_run() {
  case $(state_of "$here") in
    armed | written | restarted) recorded && take_back "" ;;
    undone)
      stop_switch
      [ ! -e "$here/undo.sh" ] || answer undone "undone before"
      answer nothing "this run has not changed this node"
      ;;
  esac
  bar
}
# Sets a switch again, so that the node finishes an interrupted undo.
undo_finished() {
  recorded
  no_other_run
  [ "$(state_of "$here")" = committed ] || finish_commit || refuse "the commit could not be finished"
  printf '%s' "$(($(date +%s) + switch))" 2>/dev/null >"$here/fires.new" && mv -f "$here/fires.new" "$here/fires"
  set_switch
  becomes restarted || {
    [ "$(state_of "$here")" = restarted ] || refuse "the run's record cannot be changed"
    answer half "the run's record cannot be made durable; not undone yet"
  }
  take_back ""
}

"$action"
