# Public certificates out of files that may hold keys too. Whole blocks only, line by line: whatever is neither base64
# nor the END of this very block ends it unshown (a key on the same line, half a certificate, lines ended by CR alone).
certificates() {
  awk '
    { line = $0; sub(/[ \t\r]*$/, "", line) }
    line == "-----BEGIN CERTIFICATE-----" { block = $0 "\n"; inside = 1; next }
    inside && line == "-----END CERTIFICATE-----" { printf "%s%s\n", block, $0; inside = 0; next }
    inside && line ~ /^[A-Za-z0-9+\/=]+$/ { block = block $0 "\n"; next }
    { inside = 0 }' "$1" 2>/dev/null
}
# The kubelet's client certificate: a PEM file, or embedded in a kubeconfig.
identity_in() {
  certificates "$1"
  sed -n 's/^ *client-certificate-data: *\([A-Za-z0-9+/=]*\) *$/\1/p' "$1" 2>/dev/null | head -n 1 |
    base64 -d 2>/dev/null | certificates -
}
# Whether the first of the certificates on standard input has one of these common names. A name comes as the whole
# encoding of its attribute, in hexadecimal: its length is in it, so worker-1 is not found in worker-10.
names_holder() { # HEX...
  encoded=$(awk '/^-----END/ { exit } !/^-----/' | base64 -d 2>/dev/null | od -An -v -tx1 | tr -d ' \n')
  for attribute in "$@"; do
    case $encoded in *"$attribute"*) return 0 ;; esac
  done
  return 1
}
