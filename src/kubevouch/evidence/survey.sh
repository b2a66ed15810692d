# What a node's disk and kubelet look like. Reads only. Of files that may hold a key only the certificates are shown
# (identity.sh). The kubelet is the one of kubelet_process.sh.
# Set above this text: units, the folder in which units are kept.
# One file: its kind, its owner, and what may be shown of it (nothing, its certificates, or all up to 1 MiB).
file() {
  kind=other target= sha= content=
  if [ -L "$1" ]; then
    kind=link target=$(readlink "$1")
  elif [ -d "$1" ]; then
    kind=folder
  elif [ -f "$1" ]; then
    kind=file sha=$(digest <"$1")
  fi
  if [ -f "$1" ]; then
    case $2 in
      certificates) content=$(certificates "$1" | head -c 1048576 | packed) ;;
      all) content=$(head -c 1048577 "$1" | packed) ;;
    esac
  fi
  set -- "$1" $(stat -c '%s %d %Y' "$1" 2>/dev/null)
  printf '{"path":"%s","kind":"%s","size":%s,"device":%s,"modified":%s,"target":"%s","sha256":"%s","content":"%s"}' \
    "$(text "$1")" "$kind" "$(number "$2")" "$(number "$3")" "$(number "$4")" \
    "$(text "$target")" "$sha" "$content"
}

list() { # MODE PATH...: the files that are there, between brackets
  mode=$1 comma=
  shift
  printf '['
  for entry in "$@"; do
    { [ -e "$entry" ] || [ -L "$entry" ]; } || continue
    printf '%s' "$comma"
    file "$entry" "$mode"
    comma=,
  done
  printf ']'
}

config=$(flag config)
config_real=$([ -z "$config" ] || readlink -f "$config")
drop_ins=$(flag config-dir)
kubeconfig=$(flag kubeconfig)
pki=$(flag cert-dir)
pki=${pki:-/var/lib/kubelet/pki}
pki=$(readlink -f "$pki" || printf '%s' "$pki")
root=
if [ "$pid" != 0 ]; then
  root=$(flag root-dir)
  root=${root:-/var/lib/kubelet}
  root=$(readlink -f "$root" || printf '%s' "$root")
fi

# Where a change would write, and what it would run as root.
unsafe=
for folder in "$root" "$root/.kubevouch" "$root"/.kubevouch/*/ "$pki" "${config_real%/*}"; do
  [ -n "$root" ] && { [ -e "$folder" ] || [ -L "$folder" ]; } || continue
  unsafe=$(not_only_roots "${folder%/}")
  [ -z "$unsafe" ] || break
done
[ -n "$unsafe" ] || [ ! -f "$config_real" ] || unsafe=$(ownership "$config_real")

identity=$(sed -n 's/^ *client-certificate: *"\{0,1\}\([^" ]*\)"\{0,1\} *$/\1/p' "$kubeconfig" 2>/dev/null | head -n 1)
if [ -z "$identity" ]; then
  identity=$pki/kubelet-client-current.pem
  [ -e "$identity" ] || identity=$kubeconfig
fi

# A change needs all of them: a node that lacks one is left out.
missing=
for tool in systemctl systemd-run flock sha256sum base64 stat readlink sync \
  awk cut date find head od sed sort tail tr; do
  command -v $tool >/dev/null 2>&1 || missing="$missing $tool"
done

# systemd counts the start in microseconds since boot; so does /proc/uptime, in seconds.
age=$(awk -v started="$(number "$(shown ExecMainStartTimestampMonotonic)")" \
  '{ age = $1 - started / 1000000; printf "%.3f", (started > 0 && age > 0) ? age : 0 }' "$proc/uptime")
age=${age:-0}

# When a file was last written, and when it was last changed in any way (which nobody can set): of a link the later of its
# own times and those of what it leads to.
moments() { # PATH
  written=0 changed=0
  for how in '' -L; do
    set -- "$1" $(stat $how -c '%Y %Z' "$1" 2>/dev/null)
    [ "$(number "$2")" -le "$written" ] || written=$2
    [ "$(number "$3")" -le "$changed" ] || changed=$3
  done
  printf '{"path":"%s","written":%s,"changed":%s}' "$(text "$1")" "$written" "$changed"
}

# Reads paths, one a line, and tells the times of those that are there, the first 64, between brackets.
moments_of_all() {
  comma=
  printf '['
  head -n 64 | while IFS= read -r entry; do
    { [ -e "$entry" ] || [ -L "$entry" ]; } || continue
    printf '%s' "$comma"
    moments "$entry"
    comma=,
  done
  printf ']'
}

# What the next start goes by: the unit's own files, as systemd knows them, and the program that it starts.
unit_files() {
  shown FragmentPath
  shown DropInPaths | tr ' ' '\n'
  shown EnvironmentFiles | sed 's/ (ignore_errors=[a-z]*)$//' | while IFS= read -r pattern; do
    case $pattern in
      *[*?[]*)
        IFS=
        for found in $pattern; do printf '%s\n' "$found"; done # EnvironmentFile= takes patterns
        ;;
      *) printf '%s\n' "$pattern" ;;
    esac
  done
}
executable=$(readlink "$proc/$pid/exe" 2>/dev/null)
program=$(shown ExecStart | sed -n 's/^{ path=\(.*\) ; argv\[\]=.*/\1/p' | head -n 1)
# A script that starts the kubelet is not its executable.
other_program=no
if [ "$pid" != 0 ] && [ -f "$program" ] && [ "$(head -c 2 "$program" | tr -d '\0')" != '#!' ] &&
  [ -n "$(stat -L -c %d:%i "$proc/$pid/exe" 2>/dev/null)" ] &&
  [ "$(stat -L -c %d:%i "$program")" != "$(stat -L -c %d:%i "$proc/$pid/exe")" ]; then
  other_program=yes
fi
swaps=$(tail -n +2 "$proc/swaps" 2>/dev/null | head -c 2000 | awk '{ print $1 }')

# Whether a unit can be kept there for the next start of the machine.
no_boot_unit=
if [ ! -d "$units" ]; then
  no_boot_unit="there is no folder $units"
elif [ ! -w "$units" ]; then
  no_boot_unit="$units cannot be written"
else
  case $(stat -f -c %T "$units" 2>/dev/null) in tmpfs | ramfs) no_boot_unit="$units does not outlast a restart" ;; esac
fi

runs=
for run in "$root"/.kubevouch/*/; do
  [ -n "$root" ] && [ -z "$unsafe" ] && [ -d "$run" ] && is_run "$(basename "$run")" || continue
  fires=$(number "$(head -c 10 "$run/fires" 2>/dev/null)")
  runs="$runs${runs:+,}{\"run\":\"$(text "$(basename "$run")")\",\"state\":\"$(text "$(told_state_of "$run")")\",\"fires\":$fires}"
done

printf 'kubevouch-answer: {"machine_id":"%s","hostname":"%s","clock":%s,"missing":"%s","no_kubelet":"%s","unsafe":"%s","no_boot_unit":"%s",' \
  "$(text "$(cat /etc/machine-id 2>/dev/null)")" "$(text "$(hostname 2>/dev/null)")" \
  "$(number "$(date +%s)")" "$(text "$missing")" \
  "$(text "$no_kubelet")" "$(text "$unsafe")" "$(text "$no_boot_unit")"
printf '"unit":{"active":"%s","pid":%s,"age":%s},' \
  "$(text "$(shown ActiveState)")" "$pid" "$age"
printf '"next_start":{"needs_reload":"%s","executable":"%s","program":"%s","other_program":"%s","swaps":"%s","unit_files":%s,' \
  "$(text "$(shown NeedDaemonReload)")" "$(text "$executable")" "$(text "$program")" "$(text "$other_program")" \
  "$(text "$swaps")" "$(unit_files | moments_of_all)"
printf '"programs":%s,"configuration":%s},' "$(printf '%s\n' "$program" | moments_of_all)" \
  "$(printf '%s\n' "$config" "$drop_ins" | moments_of_all)"
printf '"argv":"%s","identity":{"path":"%s","pem":"%s"},"runs":[%s],' \
  "$argv" "$(text "$identity")" "$(identity_in "$identity" | packed)" "$runs"
# Drop-ins as the kubelet walks them (filepath.WalkDir): not below a link, but files behind links; what lies in a/ comes
# before a.conf, so / sorts first. A name may hold a newline: it travels as another character, a line is a whole name.
drop_ins_found() {
  [ -n "$drop_ins" ] && [ -d "$drop_ins" ] && [ ! -L "$drop_ins" ] || return 0
  find "$drop_ins" -name '*.conf' ! -type d -print0 | tr '\n\0/' '\2\n\1' | sort | tr '\1' /
}
printf '"root":%s,"pki":%s,"config":%s,"drop_ins":%s,"certificates":%s}\n' \
  "$(list nothing ${root:+"$root"})" "$(list nothing "$pki")" "$(list all ${config_real:+"$config_real"})" \
  "$(drop_ins_found | {
    mark=$(printf '\002')
    set --
    while IFS= read -r found; do
      name=
      while case $found in *"$mark"*) ;; *) false ;; esac; do
        name=$name${found%%"$mark"*}$newline
        found=${found#*"$mark"}
      done
      set -- "$@" "$name$found"
    done
    list all "$@"
  })" \
  "$(list certificates "$pki"/*)"
