{{/*
Where the serving certificate comes from: helm, cert-manager, existingSecret, or own (the operator's arguments and volumes).
metrics-server would sign its own certificate, which nobody can verify.
*/}}
{{- define "metrics-server.tls" -}}
{{- $type := (.Values.tls).type | default "helm" -}}
{{- if eq $type "metrics-server" -}}
{{- ternary "own" "helm" (not (empty .Values.apiService.caBundle)) -}}
{{- else -}}
{{- $type -}}
{{- end -}}
{{- end }}

{{- define "metrics-server.secretName" -}}
{{- if eq (include "metrics-server.tls" .) "existingSecret" -}}
{{- required "tls.existingSecret.name: is empty; a Secret's name was expected" .Values.tls.existingSecret.name -}}
{{- else -}}
{{- include "metrics-server.fullname" . -}}
{{- end -}}
{{- end }}

{{/* A list in JSON; the second is the one that the API server asks for. */}}
{{- define "metrics-server.certificateNames" -}}
{{- $name := include "metrics-server.fullname" . -}}
{{- $domain := (.Values.tls).clusterDomain | default "cluster.local" -}}
{{- $within := printf "%s.%s" $name .Release.Namespace -}}
{{- list $within (printf "%s.svc" $within) (printf "%s.svc.%s" $within $domain) | toJson -}}
{{- end }}

{{/*
The Secret of the type `helm`, as JSON: its data, its annotations, and `bundle` (base64), what the API server is to trust.

What is there stays until half of its life. Then its own authority signs a new certificate, so that nothing else changes. Where
there is no authority with its key (metrics-server's chart signs by itself and keeps none), a new one is made, and the old certificate stays in the
bundle until the next upgrade: pods see a changed Secret only after a while.
*/}}
{{- define "metrics-server.pair" -}}
{{- $name := include "metrics-server.fullname" . -}}
{{- $helm := (.Values.tls).helm | default dict -}}
{{- $days := $helm.certDurationDays | default 365 | int -}}
{{- $now := now | unixEpoch | int64 -}}
{{- $live := dict -}}
{{- if ne (toString $helm.lookup) "false" -}}
{{- $live = lookup "v1" "Secret" .Release.Namespace $name | default dict -}}
{{- end -}}
{{- $data := $live.data | default dict -}}
{{- if and (index $data "tls.crt") (not (index $data "ca.crt")) -}}
{{- $data = set (deepCopy $data) "ca.crt" (index $data "tls.crt") -}}
{{- end -}}
{{- $marks := pick (($live.metadata).annotations | default dict) "kubevouch.dev/issued" "kubevouch.dev/authority-issued" -}}
{{- $made := now -}}
{{- if $live -}}
{{- $made = toDate "2006-01-02T15:04:05Z" $live.metadata.creationTimestamp -}}
{{- end -}}
{{- $issued := index $marks "kubevouch.dev/issued" | default ($made | unixEpoch) | int64 -}}
{{- $born := index $marks "kubevouch.dev/authority-issued" | default "0" | int64 -}}
{{- $old := index $data "ca.crt" | default "" -}}
{{- $pair := dict "data" $data "annotations" $marks "bundle" $old -}}
{{- if not (and $old (index $data "tls.key") (lt (sub $now $issued) (mul $days 43200))) -}}
{{- $names := include "metrics-server.certificateNames" . | fromJsonArray -}}
{{- if and (index $data "ca.key") (lt (sub $now $born) (mul 3650 69120)) -}}
{{- $authority := buildCustomCert (index $data "ca.crt") (index $data "ca.key") -}}
{{- $leaf := genSignedCert (index $names 1) nil $names $days $authority -}}
{{- $data = dict "tls.crt" ($leaf.Cert | b64enc) "tls.key" ($leaf.Key | b64enc) "ca.crt" (index $data "ca.crt") "ca.key" (index $data "ca.key") -}}
{{- else -}}
{{- $authority := genCA (printf "%s-ca" $name) 3650 -}}
{{- $leaf := genSignedCert (index $names 1) nil $names $days $authority -}}
{{- $born = $now -}}
{{- $data = dict "tls.crt" ($leaf.Cert | b64enc) "tls.key" ($leaf.Key | b64enc) "ca.crt" ($authority.Cert | b64enc) "ca.key" ($authority.Key | b64enc) -}}
{{- $old = printf "%s%s" $authority.Cert ($old | b64dec) | b64enc -}}
{{- end -}}
{{- $pair = dict "data" $data "annotations" (dict "kubevouch.dev/issued" ($now | toString) "kubevouch.dev/authority-issued" ($born | toString)) "bundle" $old -}}
{{- end -}}
{{- $pair | toJson -}}
{{- end }}

{{/*
"yes" while the pods that answer are still those of another chart: then insecureSkipTLSVerify, which its APIService has, stays until
the next upgrade, since those pods' certificates are nobody's and `kubectl top` would end. It is never set where it is not.
*/}}
{{- define "metrics-server.othersAnswer" -}}
{{- $service := lookup "apiregistration.k8s.io/v1" "APIService" "" "v1beta1.metrics.k8s.io" | default dict -}}
{{- $running := lookup "apps/v1" "Deployment" .Release.Namespace (include "metrics-server.fullname" .) | default dict -}}
{{- if and ($service.spec).insecureSkipTLSVerify $running -}}
{{- $chart := index (($running.metadata).labels | default dict) "helm.sh/chart" | default "" -}}
{{- $status := $running.status | default dict -}}
{{- $pods := $status.replicas | default 0 | int -}}
{{- $ours := and (hasPrefix (printf "%s-" .Chart.Name) $chart) (eq ($status.observedGeneration | default 0 | int64) ($running.metadata.generation | int64)) -}}
{{- if not (and $ours $pods (eq $pods ($status.updatedReplicas | default 0 | int)) (eq $pods ($status.readyReplicas | default 0 | int))) -}}
yes
{{- end -}}
{{- end -}}
{{- end }}

{{/* What the API server trusts, in base64; "" where cert-manager writes it. */}}
{{- define "metrics-server.bundle" -}}
{{- $type := include "metrics-server.tls" . -}}
{{- if eq $type "existingSecret" -}}
{{- $given := .Values.apiService.caBundle -}}
{{- if $given -}}
{{- $given | b64enc -}}
{{- else -}}
{{- $name := include "metrics-server.secretName" . -}}
{{- $data := dict -}}
{{- if .Values.tls.existingSecret.lookup -}}
{{- $data = (lookup "v1" "Secret" .Release.Namespace $name).data | default dict -}}
{{- end -}}
{{- index $data "ca.crt" | default (index $data "tls.crt") | required (printf "Secret %s: cannot be looked up, or has no tls.crt; apiService.caBundle was expected" $name) -}}
{{- end -}}
{{- else if ne $type "cert-manager" -}}
{{- .Values.apiService.caBundle | b64enc -}}
{{- end -}}
{{- end }}
