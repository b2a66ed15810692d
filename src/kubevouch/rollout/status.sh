# Reports the runs of `apply` on a node. Changes nothing, and works while the kubelet is down.
#
# Set above this text: proc, units, root_said (the plan's folder for run records; may be empty), and the functions of
# root_owned.sh, run_marker.sh and kubelet_process.sh
root=$root_said
[ "$pid" = 0 ] || root=$(flag root-dir)
root=${root:-/var/lib/kubelet}
root=$(readlink -f "$root" || printf '%s' "$root")
store=$root/.kubevouch

boot_net() { # RUN: whether a restart of the machine would end the run
  at_boot=kubevouch-undo-at-boot-$1.service
  if [ -s "$units/$at_boot" ] && [ -e "$units/multi-user.target.wants/$at_boot" ]; then printf true; else printf false; fi
}
names_in() { # FOLDER
  comma=
  for entry in "$1"/*; do
    [ -e "$entry" ] || [ -L "$entry" ] || continue
    printf '%s"%s"' "$comma" "$(text "${entry##*/}")"
    comma=,
  done
}
# The configuration's version, by the digests in the run's record: before the run, the run's own, or other. Empty if the run did
# not change the configuration.
whose() { # FOLDER CONFIG
  after=$(head -c 64 "$1/after.sha256" 2>/dev/null) before=$(head -c 64 "$1/before.sha256" 2>/dev/null)
  [ -n "$before" ] && [ "$before" != "$after" ] && [ -f "$2" ] || return 0
  case $(digest <"$2") in
    "$after") printf run ;;
    "$before") printf before ;;
    *) printf other ;;
  esac
}
runs_found() { # the newest first
  comma=
  ls -dt "$store"/*/ 2>/dev/null | while IFS= read -r folder; do
    folder=${folder%/} name=$(basename "$folder")
    is_run "$name" || continue
    # A config.yaml with a single quote in its path is not found.
    config=$(sed -n "s/^config='\{0,1\}\([^']*\)'\{0,1\}\$/\1/p" "$folder/undo.sh" 2>/dev/null | head -n 1)
    printf '%s{"run":"%s","state":"%s","fires":%s,"timer":"%s","boot":%s,"config":"%s","whose":"%s","strays":[%s]}' "$comma" \
      "$(text "$name")" "$(text "$(told_state_of "$folder")")" "$(number "$(head -c 10 "$folder/fires" 2>/dev/null)")" \
      "$(text "$(systemctl is-active "kubevouch-undo-$name.timer" 2>/dev/null)")" "$(boot_net "$name")" \
      "$(text "$config")" "$(text "$(whose "$folder" "$config")")" "$(names_in "$folder/strays")"
    comma=,
  done
}
why=$(not_only_roots "$root") runs=
[ -n "$why" ] || runs=$(runs_found)
printf 'kubevouch-answer: {"machine_id":"%s","clock":%s,"root":"%s","unsafe":"%s","active":"%s","runs":[%s]}\n' \
  "$(text "$(cat /etc/machine-id 2>/dev/null)")" "$(number "$(date +%s)")" "$(text "$root")" "$(text "$why")" \
  "$(text "$(shown ActiveState)")" "$runs"
