# One node's change, one action a call: begin, commit or undo. Each may be called again: what is done stays done.
# POSIX sh; coreutils, util-linux (flock) and systemd, which the survey has seen.
#
# The run's folder on the node is the truth of the run. One marker file in it is renamed from state to state
# (armed > committed, armed > undone), since a rename needs no space on a full disk; for the same reason the
# old files are kept by link and rename, and everything new is written before anything is changed.
#
# Set above this text: action run machine identity identity_sha root pki config before after content seed seed_crt seed_key
# undo_script places switch units; and the functions of identity.sh and root_owned.sh
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
umask 077
trap '' HUP PIPE
store=$root/.kubevouch
here=$store/$run
unit=kubevouch-undo-$run
at_boot=kubevouch-undo-at-boot-$run.service
newline='
'

number() { case $1 in '' | *[!0-9]*) printf 0 ;; *) printf '%s' "$1" ;; esac; }
shown() { systemctl show kubelet.service --property="$1" 2>/dev/null | cut -d= -f2-; }
digest() { sha256sum <"$1" 2>/dev/null | cut -d' ' -f1; }
persist() { sync "$@" 2>/dev/null || sync; }

answer() { # OUTCOME WHY
  printf 'kubevouch-answer: {"outcome":"%s","why":"%s","active":"%s","pid":%s}\n' "$1" \
    "$(printf '%s' "$2" | base64 | tr -d '\n')" \
    "$(printf '%s' "$(shown ActiveState)" | base64 | tr -d '\n')" "$(number "$(shown MainPID)")"
  exit 0
}
refuse() { answer refused "$1"; }
give_up() { # before anything was changed: take away what was prepared
  rm -rf "$here"
  refuse "$1; nothing was changed"
}
take_back() { # after something was changed: as the switch would, which is stopped last
  exec 9>&-
  # As sent by us: the copy on the disk is for the node's own timer. Its words count only if it failed.
  complaint=$(eval "$(printf '%s' "$undo_script" | base64 -d)" 2>&1) && complaint=
  [ -e "$here/undone" ] || answer half "$1; not undone: $complaint"
  systemctl stop "$unit.timer" 2>/dev/null
  answer undone "$1${complaint:+; undone, but: $complaint}"
}
# A failed redirection ends some shells at once: `command exec` and `printf` only fail.
lock() {
  mkdir -p "$store" || refuse "$store cannot be made; nothing was changed"
  command exec 9>"$store/lock" || refuse "$store/lock cannot be written; nothing was changed"
  flock -w 30 9 || answer busy "another call holds the lock of this node ($store/lock)"
}

# Whose machine this is, asked again in the same breath as the change.
right_machine() {
  [ -n "$machine" ] && [ "$(cat /etc/machine-id 2>/dev/null)" = "$machine" ] ||
    refuse "this machine's id is not that of the node in the plan"
}

# What is written to, and the run's own folder with the script that is run from it, must be root's alone.
only_roots() {
  for folder in "$root" "$pki" "${config%/*}" "$store" "$here"; do
    { [ -e "$folder" ] || [ -L "$folder" ]; } || continue
    why=$(not_only_roots "$folder")
    [ -z "$why" ] || refuse "$why; nothing was done"
  done
  [ -e "$here/undo.sh" ] || return 0
  why=$(ownership "$here/undo.sh") && [ -f "$here/undo.sh" ] && [ ! -L "$here/undo.sh" ] ||
    refuse "${why:-$here/undo.sh is not a file}; nothing was done"
}

# An undo writes only where the run has written: its own record, in a folder of root's, names the places.
recorded() {
  case $newline$(head -c 65536 "$here/undo.sh" 2>/dev/null) in
    *"$newline$places"*) ;;
    *) refuse "the folders and the config.yaml of the plan ($root, $pki, $config) are not those in the run's record, $here/undo.sh; nothing was done" ;;
  esac
}

prepare() {
  mkdir "$here" "$here/kept" "$here/aside" "$here/strays" || give_up "$here cannot be made"
  for file in "$pki"/kubelet-server*; do
    if [ -e "$file" ] || [ -L "$file" ]; then printf '' >"$here/kept/${file##*/}" || give_up "the run's record cannot be written"; fi
  done
  ln "$config" "$here/config.before" || give_up "the old $config cannot be kept"
  cp -a "$config" "$here/config.after" || give_up "the new $config cannot be prepared"
  printf '%s' "$content" | base64 -d >"$here/config.after" || give_up "the new $config cannot be written"
  [ "$(digest "$here/config.after")" = "$after" ] || give_up "the new $config was not written whole"
  case $seed in
    copy) cp "$pki/kubelet.crt" "$here/seed.crt" && cp "$pki/kubelet.key" "$here/seed.key" ;;
    fresh)
      printf '%s' "$seed_crt" | base64 -d >"$here/seed.crt" && printf '%s' "$seed_key" | base64 -d >"$here/seed.key"
      ;;
  esac || give_up "the seed certificate cannot be written"
  [ -s "$here/seed.key" ] || give_up "the seed certificate was not written whole"
  digest "$here/seed.crt" >"$here/seed.sha256" || give_up "the run's record cannot be written"
  [ -s "$here/seed.sha256" ] || give_up "the run's record was not written whole"
  printf '%s' "$undo_script" | base64 -d >"$here/undo.sh" || give_up "the undo script cannot be written"
  [ "$(base64 <"$here/undo.sh" | tr -d '\n')" = "$undo_script" ] || give_up "the undo script was not written whole"
  persist "$here"/*
}

change() {
  for file in "$pki"/kubelet-server*; do
    if [ -e "$file" ] || [ -L "$file" ]; then mv "$file" "$here/aside/" || return 1; fi
  done
  mv "$here/seed.crt" "$pki/kubelet-server.crt" || return 1
  mv "$here/seed.key" "$pki/kubelet-server.key" || return 1
  mv -f "$here/config.after" "$config" || return 1
  persist "$config" "$pki"
}

may_begin() { # asked before anything is made, and once more under the lock
  [ ! -e "$here/committed" ] || answer committed "done in this run before"
  [ ! -e "$here/undone" ] || refuse "this run was undone on this node; make a new plan"
  for armed in "$store"/*/armed; do
    [ ! -e "$armed" ] || [ "$armed" = "$here/armed" ] || refuse "another run is under way on this node: $armed"
  done
  [ ! -e "$here/armed" ] || answer begun "begun in this run before"
  [ "$(identity_in "$identity" | sha256sum | cut -d' ' -f1)" = "$identity_sha" ] ||
    refuse "the kubelet's client certificate ($identity) is not the one that was checked"
  [ "$(digest "$config")" = "$before" ] || refuse "$config has been changed since the plan"
}

# Should the machine go down before the run is committed, its timer is gone: this unit undoes it at the next start.
set_at_boot() {
  {
    printf '[Unit]\nDescription=kubevouch: undo run %s after a restart of the machine\n' "$run"
    printf 'After=kubelet.service\nConditionPathExists=%s\n' "$here/armed"
    printf '[Service]\nType=oneshot\nExecStart=/bin/sh %s\n' "$here/undo.sh"
  } >"$units/$at_boot" && mkdir -p "$units/multi-user.target.wants" &&
    ln -sf "../$at_boot" "$units/multi-user.target.wants/$at_boot"
}

begin() {
  right_machine
  only_roots
  may_begin
  lock
  only_roots
  may_begin
  rm -rf "$here" # of a call that was killed before it had changed anything
  prepare
  # The marker says when the switch goes off, for whoever finds the node armed.
  printf '%s' "$(($(date +%s) + switch))" >"$here/armed" || give_up "the run's record cannot be written"
  if ! complaint=$(systemd-run --unit="$unit" --on-active="$switch" --timer-property=AccuracySec=1s \
    --description="kubevouch: undo run $run unless it is verified" /bin/sh "$here/undo.sh" 2>&1); then
    give_up "the dead-man's switch cannot be set: $complaint"
  fi
  set_at_boot 2>/dev/null # an immutable /etc has none, and lives without
  change || take_back "the files could not be put in place"
  complaint=$(systemctl restart kubelet.service 2>&1) || take_back "the kubelet cannot be restarted: $complaint"
  answer begun ""
}

older() { # BEGUN: folders of the runs that have begun here (yes) or not (no), less the last three
  ls -dt "$store"/*/ 2>/dev/null | while IFS= read -r each; do
    begun=no
    [ ! -e "$each/undo.sh" ] || begun=yes
    [ "$begun" != "$1" ] || printf '%s\n' "$each"
  done | tail -n +4
}

commit() {
  only_roots
  [ -d "$here" ] || answer nothing "this run has not begun on this node"
  lock
  if [ ! -e "$here/committed" ]; then
    [ -e "$here/armed" ] || answer undone "the node's own switch has undone it"
    [ "$(digest "$config")" = "$after" ] || take_back "$config has been changed since it was written"
    mv "$here/armed" "$here/committed" || refuse "the run's record cannot be changed"
  fi
  systemctl stop "$unit.timer" 2>/dev/null
  rm -f "$units/multi-user.target.wants/$at_boot" "$units/$at_boot" 2>/dev/null
  if [ "$(digest "$pki/kubelet-server.crt")" = "$(cat "$here/seed.sha256")" ]; then
    rm -f "$pki/kubelet-server.crt" "$pki/kubelet-server.key"
  fi
  # Records of older runs: the last three stay, and the last three that say that a run must not begin.
  { older yes; older no; } | while IFS= read -r old; do
    [ -e "$old/armed" ] || [ "${old%/}" = "$here" ] || rm -rf "$old"
  done
  persist "$here"
  answer committed ""
}

undo() {
  right_machine
  only_roots
  lock
  if [ -e "$here/undone" ]; then
    [ ! -e "$here/undo.sh" ] || answer undone "undone before"
    answer nothing "this run has not changed this node"
  fi
  if [ -e "$here/committed" ] || [ -e "$here/armed" ]; then recorded; fi
  if [ -e "$here/committed" ]; then
    [ "$(digest "$config")" = "$after" ] || refuse "$config has been changed since the run; it is left as it is"
    mv "$here/committed" "$here/armed" || refuse "the run's record cannot be changed"
  fi
  if [ ! -e "$here/armed" ]; then # a begin that is still under way must find that it is too late
    rm -rf "$here"
    { mkdir "$here" && printf '' >"$here/undone"; } || refuse "the run's record cannot be written"
    answer nothing "this run has not changed this node"
  fi
  take_back ""
}

"$action"
