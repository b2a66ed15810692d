# Extracts certificates from files that may also hold keys, line by line. Outputs complete blocks only: any line that is
# neither base64 nor END discards the block (a key on the same line, half a certificate, lines that end in CR alone).
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
# Whether the first certificate on standard input has one of these common names. Each name is given as the DER of the whole
# attribute, in hexadecimal. The DER includes the length, so worker-1 does not match worker-10.
names_holder() { # HEX...
  encoded=$(awk '/^-----END/ { exit } !/^-----/' | base64 -d 2>/dev/null | od -An -v -tx1 | tr -d ' \n')
  for attribute in "$@"; do
    case $encoded in *"$attribute"*) return 0 ;; esac
  done
  return 1
}
