# Surveys a node's disk and kubelet, and changes nothing. From files that may hold a key it outputs only the certificates
# (identity.sh). kubelet_process.sh finds the kubelet.
# Set above this text: units, the folder of the machine's own systemd units.
# Outputs one file: its metadata, and nothing, its certificates, or up to 1 MiB of its content.
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

list() { # MODE PATH...: a JSON list of those files that exist
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

# The folders and the file that a change would write, or run as root.
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

# A change needs all of these tools. `plan` leaves out a node that lacks one.
missing=
for tool in systemctl systemd-run flock sha256sum base64 stat readlink sync \
  awk cut date find head od sed sort tail tr; do
  command -v $tool >/dev/null 2>&1 || missing="$missing $tool"
done

# systemd counts the start in microseconds since boot; so does /proc/uptime, in seconds.
age=$(awk -v started="$(number "$(shown ExecMainStartTimestampMonotonic)")" \
  '{ age = $1 - started / 1000000; printf "%.3f", (started > 0 && age > 0) ? age : 0 }' "$proc/uptime")
age=${age:-0}

# The mtime and the ctime of a file; nobody can set the latter. For a link, the later of its own and its target's times.
moments() { # PATH
  written=0 changed=0
  for how in '' -L; do
    set -- "$1" $(stat $how -c '%Y %Z' "$1" 2>/dev/null)
    [ "$(number "$2")" -le "$written" ] || written=$2
    [ "$(number "$3")" -le "$changed" ] || changed=$3
  done
  printf '{"path":"%s","written":%s,"changed":%s}' "$(text "$1")" "$written" "$changed"
}

# Reads up to 64 paths, one per line, and outputs a JSON list with the times of those that exist.
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

# The files that the next start uses: the unit's files, as systemd knows them, and the program in ExecStart.
unit_files() {
  shown FragmentPath
  shown DropInPaths | tr ' ' '\n'
  shown EnvironmentFiles | sed 's/ (ignore_errors=[a-z]*)$//' | while IFS= read -r pattern; do
    case $pattern in
      *[*?[]*)
        IFS=
        for found in $pattern; do printf '%s\n' "$found"; done # EnvironmentFile= accepts glob patterns
        ;;
      *) printf '%s\n' "$pattern" ;;
    esac
  done
}
executable=$(readlink "$proc/$pid/exe" 2>/dev/null)
program=$(shown ExecStart | sed -n 's/^{ path=\(.*\) ; argv\[\]=.*/\1/p' | head -n 1)
# A script that starts the kubelet differs from the process's executable, and does not count as another program.
other_program=no
if [ "$pid" != 0 ] && [ -f "$program" ] && [ "$(head -c 2 "$program" | tr -d '\0')" != '#!' ] &&
  [ -n "$(stat -L -c %d:%i "$proc/$pid/exe" 2>/dev/null)" ] &&
  [ "$(stat -L -c %d:%i "$program")" != "$(stat -L -c %d:%i "$proc/$pid/exe")" ]; then
  other_program=yes
fi
swaps=$(tail -n +2 "$proc/swaps" 2>/dev/null | head -c 2000 | awk '{ print $1 }')

# Whether a unit in $units survives the next boot of the machine.
no_boot_unit=
if [ ! -d "$units" ]; then
  no_boot_unit="the folder $units does not exist"
elif [ ! -w "$units" ]; then
  no_boot_unit="$units cannot be written"
else
  case $(stat -f -c %T "$units" 2>/dev/null) in tmpfs | ramfs) no_boot_unit="$units does not survive a reboot" ;; esac
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
# Finds drop-ins in the order of the kubelet (filepath.WalkDir), which does not descend into links to folders but reads links
# to files. Files in a/ come before a.conf, so / must sort first. \2 stands for a newline in a name.
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
