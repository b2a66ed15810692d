# Public certificates out of files that may hold keys too. Whole CERTIFICATE blocks only: one that is cut off ends
# at the next BEGIN and is not shown.
certificates() {
  awk '
    /-----BEGIN/ { inside = ($0 ~ /^-----BEGIN CERTIFICATE-----/); block = "" }
    inside { block = block $0 "\n" }
    /-----END CERTIFICATE-----/ { if (inside) printf "%s", block; inside = 0 }' "$1" 2>/dev/null
}
# The kubelet's client certificate: a PEM file, or embedded in a kubeconfig.
identity_in() {
  certificates "$1"
  sed -n 's/^ *client-certificate-data: *\([A-Za-z0-9+/=]*\) *$/\1/p' "$1" 2>/dev/null | head -n 1 |
    base64 -d 2>/dev/null | certificates -
}
