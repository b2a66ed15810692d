# Finds the node's kubelet process and its command line, and defines functions for the output. Needs sh, coreutils, awk and
# sed; uses systemd if it exists.
# Set above this text: proc, the machine's /proc.
# Every text is output in base64, so that no name or content can break the JSON.
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin

# Unquoted, so the shell's word splitting removes the newlines. Base64 has no glob characters.
packed() { printf '%s' $(base64); }
text() { [ -z "$1" ] || printf '%s' "$1" | packed; }
number() { case $1 in '' | *[!0-9]*) printf 0 ;; *) printf '%s' "$1" ;; esac; }
digest() {
  sum=$(sha256sum)
  printf '%s' "${sum%% *}"
}
newline='
'
shown() { # PROPERTY: some properties have several values, one per line
  lines=$(systemctl show kubelet.service --property="$1" 2>/dev/null)
  case $lines in
    *"$newline"*) printf '%s\n' "$lines" | cut -d= -f2- ;;
    *) printf '%s\n' "${lines#*=}" ;;
  esac
}

# The value of a flag in the kubelet's command line; the last one wins, as in the kubelet.
flag() {
  printf '%s' "$words" | awk -v flag="$1" '
    next_is_value { value = $0; next_is_value = 0; next }
    $0 == "--" flag || $0 == "-" flag { next_is_value = 1; next }
    index($0, "--" flag "=") == 1 { value = substr($0, length(flag) + 4) }
    END { print value }'
}

# The cgroup of a process in systemd's hierarchy: name=systemd in cgroup v1 and in hybrid mode, else the only one (v2).
# Inside a container systemd may see only a part of the path, so callers compare the end of it.
cgroup_of() {
  awk '
    /^[0-9]+:name=systemd:/ { sub(/^[0-9]+:name=systemd:/, ""); named = $0 }
    /^0::/ { sub(/^0::/, ""); unified = $0 }
    END { print named != "" ? named : unified }' "$proc/$1/cgroup" 2>/dev/null
}

# The kubelet is the main process of kubelet.service, and is in the cgroup of that unit. No other process counts, whatever
# its name: a pod may run a `kubelet` with any --config and --root-dir. The command line is read before the cgroup, so that
# a reused process ID is detected.
pid=$(number "$(shown MainPID)") argv= no_kubelet=
if [ "$pid" = 0 ]; then
  no_kubelet="kubelet.service has no main process (it is $(shown ActiveState))"
  [ -n "$(shown ActiveState)" ] || no_kubelet="the node has no systemd, so the kubelet's process is unknown"
else
  argv=$(packed <"$proc/$pid/cmdline")
  cgroup=$(cgroup_of "$pid")
  case $cgroup in
    */kubelet.service | */kubelet.service/*) ;;
    *)
      no_kubelet="process $pid, the main process of kubelet.service, is in the cgroup ${cgroup:-(unreadable)}, not in the unit's cgroup"
      pid=0 argv=
      ;;
  esac
fi
# The arguments, one per line, decoded once for `flag`. The dot preserves an empty last argument.
words=$(printf '%s' "$argv" | base64 -d | tr '\0' '\n' && printf .)
words=${words%.}
