# The process that is a node's kubelet, its command line, and how an answer is written. Needs sh, coreutils, awk, sed; systemd
# where there is one.
# Set above this text: proc, the folder in which the system shows its processes.
# Every text travels in base64, so that no name and no content can break the JSON.
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin

# The shell takes the ends of the lines out, as those of words: nothing in base64 is a pattern.
packed() { printf '%s' $(base64); }
text() { [ -z "$1" ] || printf '%s' "$1" | packed; }
number() { case $1 in '' | *[!0-9]*) printf 0 ;; *) printf '%s' "$1" ;; esac; }
digest() {
  sum=$(sha256sum)
  printf '%s' "${sum%% *}"
}
newline='
'
shown() { # PROPERTY: some have a line for each of their values
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

# The cgroup of a process in systemd's own hierarchy: the named one (cgroup v1, and both at once), else the only one (v2).
# A container's systemd may see its own part of the path or the whole of it: what counts is the end.
cgroup_of() {
  awk '
    /^[0-9]+:name=systemd:/ { sub(/^[0-9]+:name=systemd:/, ""); named = $0 }
    /^0::/ { sub(/^0::/, ""); unified = $0 }
    END { print named != "" ? named : unified }' "$proc/$1/cgroup" 2>/dev/null
}

# The kubelet is the main process of kubelet.service and lies in its cgroup. No other process is one, whatever its name:
# a pod may have a `kubelet`, with a --config and a --root-dir of its choice. The command line is read before the cgroup, so
# that a process number which has been given to somebody else meanwhile is found out.
pid=$(number "$(shown MainPID)") argv= no_kubelet=
if [ "$pid" = 0 ]; then
  no_kubelet="kubelet.service has no main process (it is $(shown ActiveState))"
  [ -n "$(shown ActiveState)" ] || no_kubelet="there is no systemd that could name the kubelet's process"
else
  argv=$(packed <"$proc/$pid/cmdline")
  cgroup=$(cgroup_of "$pid")
  case $cgroup in
    */kubelet.service | */kubelet.service/*) ;;
    *)
      no_kubelet="process $pid, which kubelet.service calls its main process, is in the cgroup ${cgroup:-(unreadable)}, not in that of kubelet.service"
      pid=0 argv=
      ;;
  esac
fi
# Its words, one a line. What `flag` reads is decoded once; the dot keeps a last word that is empty.
words=$(printf '%s' "$argv" | base64 -d | tr '\0' '\n' && printf .)
words=${words%.}
