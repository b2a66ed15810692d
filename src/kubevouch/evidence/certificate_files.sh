# Reads the files of a node that hold certificates, and changes nothing. From files that may hold keys it outputs complete
# certificates (identity.sh) and the SHA-256 of each key's public half; from a kubeconfig only lines that cannot hold a secret.
# Set above this text: below, the prefix of each path (empty on a node); fixed, one line per file with form and path;
# kubeconfig, the path of the kubelet's kubeconfig. Needs the functions of kubelet_process.sh.
largest=1048576
openssl=$(command -v openssl)

# A JSON list with the SHA-256 of the public half of the key in a PEM on standard input; "" for an unreadable key.
key_digests() {
  pem=$(cat)
  case $pem in *'PRIVATE KEY-----'*) ;; *) printf '[]' && return ;; esac
  [ -n "$openssl" ] || { printf null && return; }
  half=$(printf '%s\n' "$pem" | "$openssl" pkey -passin pass: -pubout -outform DER 2>/dev/null | packed)
  [ -z "$half" ] || half=$(printf '%s' "$half" | base64 -d | digest)
  printf '["%s"]' "$half"
}

# The lines of a kubeconfig that name the current user and its certificate. From embedded data, only complete certificates.
kubeconfig_lines() {
  awk '/^[- ]*(apiVersion|kind|current-context|clusters|contexts|users|cluster|context|user|name|server|client-certificate|client-certificate-data|client-key): *["\047]?[A-Za-z0-9@._:\/+=-]*["\047]? *\r?$/' "$1" |
    while IFS= read -r line; do
      case $line in
        *client-certificate-data:*)
          data=$(printf '%s' "${line#*client-certificate-data:}" | tr -d " \"'\r" | base64 -d 2>/dev/null | certificates - | packed)
          printf '%sclient-certificate-data: %s\n' "${line%%client-certificate-data:*}" "$data"
          ;;
        *) printf '%s\n' "$line" ;;
      esac
    done
}

# Whether one of these lines is not in kubeadm's format, so that the output lacks it.
is_odd() {
  all=$(grep -c -E 'client-certificate|current-context|contexts|users' "$1")
  kept=$(kubeconfig_lines "$1" | grep -c -E 'client-certificate|current-context|contexts|users')
  [ "$all" != "$kept" ]
}

comma=
show_file() { # FORM PATH
  at=$below$2 kind=other target= size=0 blocks=0 content= keys='[]' odd=false
  [ ! -L "$at" ] || target=$(readlink "$at")
  if [ ! -e "$at" ]; then
    kind=absent
  elif [ -d "$at" ]; then
    kind=folder
  elif [ -p "$at" ]; then
    kind=fifo
  elif [ -f "$at" ]; then
    size=$(number "$(stat -L -c %s "$at" 2>/dev/null)")
    kind=file
    [ -r "$at" ] || kind=denied
  fi
  if [ $kind = file ] && [ "$size" -le $largest ]; then
    case $1 in
      pem)
        content=$(certificates "$at" | packed)
        blocks=$(grep -c -e '-----BEGIN CERTIFICATE-----' "$at")
        keys=$(key_digests <"$at")
        ;;
      kubeconfig)
        content=$(kubeconfig_lines "$at" | packed)
        ! is_odd "$at" || odd=true
        keys=null
        [ "$(grep -c 'client-key-data' "$at")" != 1 ] ||
          keys=$(sed -n 's/^ *client-key-data: *\([A-Za-z0-9+/=]*\) *$/\1/p' "$at" | base64 -d 2>/dev/null | key_digests)
        ;;
    esac
  fi
  printf '%s{"path":"%s","form":"%s","kind":"%s","target":"%s","size":%s,"blocks":%s,"odd":%s,"content":"%s","keys":%s}' \
    "$comma" "$(text "$2")" "$1" $kind "$(text "$target")" "$size" "$(number "$blocks")" $odd "$content" "$keys"
  comma=,
}

named=$(sed -n 's/^ *client-\(certificate\|key\): *"\{0,1\}\([^" ]*\)"\{0,1\} *$/\2/p' "$below$kubeconfig" 2>/dev/null | head -n 2)

wanted() {
  printf '%s\n' "$fixed"
  printf '%s\n' "$named" | sed -n 's/^\//pem \//p'
}

printf 'kubevouch-answer: {"files":['
seen=
newline='
'
while IFS=' ' read -r form path; do
  [ -n "$path" ] || continue
  case $newline$seen in *"$newline$path$newline"*) continue ;; esac
  seen=$seen$path$newline
  show_file "$form" "$path"
done <<FILES
$(wanted)
FILES
printf ']}\n'
