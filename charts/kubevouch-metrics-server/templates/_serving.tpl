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

{{/* The Secret of the type `helm` as the cluster has it, as JSON: {} where there is none or it is not to be looked up. */}}
{{- define "metrics-server.secretThere" -}}
{{- if ne (toString ((.Values.tls).helm).lookup) "false" -}}
{{- lookup "v1" "Secret" .Release.Namespace (include "metrics-server.fullname" .) | default dict | toJson -}}
{{- else -}}
{}
{{- end -}}
{{- end }}

{{/* "yes" while its pair is in the first half of its life. */}}
{{- define "metrics-server.pairIsYoung" -}}
{{- $there := include "metrics-server.secretThere" . | fromJson -}}
{{- $data := $there.data | default dict -}}
{{- if and (index $data "tls.crt") (index $data "tls.key") -}}
{{- $days := ((.Values.tls).helm).certDurationDays | default 365 | int -}}
{{- $made := toDate "2006-01-02T15:04:05Z" $there.metadata.creationTimestamp | unixEpoch -}}
{{- $issued := index ($there.metadata.annotations | default dict) "kubevouch.dev/issued" | default $made | int64 -}}
{{- if lt (sub (now | unixEpoch | int64) $issued) (mul $days 43200) }}yes{{ end -}}
{{- end -}}
{{- end }}

{{/*
"yes" where pods have the authority and its key, and sign what they serve themselves, anew in time. Not as long as a young pair is
there without an authority's key: metrics-server's own chart made it, and its pods may still serve it.
*/}}
{{- define "metrics-server.signs" -}}
{{- if eq (include "metrics-server.tls" .) "helm" -}}
{{- $data := (include "metrics-server.secretThere" . | fromJson).data | default dict -}}
{{- if or (index $data "ca.key") (not (include "metrics-server.pairIsYoung" .)) }}yes{{ end -}}
{{- end -}}
{{- end }}

{{/*
The Secret of the type `helm`, as JSON: its data, its annotations, and `bundle` (base64), what the API server is to trust.

The authority stays for eight of its ten years. The pair beside it is for metrics-server's own chart, which would look for one there;
at half of its life the authority signs the next. Where there is no authority with its key, one is made, and what the API server has
trusted so far stays in the bundle until the next upgrade: pods see a changed Secret only after a while.
*/}}
{{- define "metrics-server.pair" -}}
{{- $name := include "metrics-server.fullname" . -}}
{{- $days := ((.Values.tls).helm).certDurationDays | default 365 | int -}}
{{- $now := now | unixEpoch | int64 -}}
{{- $there := include "metrics-server.secretThere" . | fromJson -}}
{{- $data := $there.data | default dict -}}
{{- $marks := pick (($there.metadata).annotations | default dict) "kubevouch.dev/issued" "kubevouch.dev/authority-issued" -}}
{{- $known := index $data "ca.crt" | default (index $data "tls.crt") | default "" -}}
{{- $born := index $marks "kubevouch.dev/authority-issued" | default "0" | int64 -}}
{{- $keeps := and (index $data "ca.key") (lt (sub $now $born) (mul 3650 69120)) -}}
{{- if and (include "metrics-server.pairIsYoung" .) (or $keeps (not (index $data "ca.key"))) -}}
{{- dict "data" (merge (dict "ca.crt" $known) $data) "annotations" $marks "bundle" $known | toJson -}}
{{- else -}}
{{- $names := include "metrics-server.certificateNames" . | fromJsonArray -}}
{{- $authority := dict -}}
{{- $bundle := $known -}}
{{- if $keeps -}}
{{- $authority = buildCustomCert (index $data "ca.crt") (index $data "ca.key") -}}
{{- else -}}
{{- $authority = genCA (printf "%s-ca" $name) 3650 -}}
{{- $born = $now -}}
{{- $bundle = printf "%s%s" $authority.Cert ($known | b64dec) | b64enc -}}
{{- end -}}
{{- $leaf := genSignedCert (index $names 1) nil $names $days $authority -}}
{{- $data = dict "tls.crt" ($leaf.Cert | b64enc) "tls.key" ($leaf.Key | b64enc) "ca.crt" ($authority.Cert | b64enc) "ca.key" ($authority.Key | b64enc) -}}
{{- $marks = dict "kubevouch.dev/issued" ($now | toString) "kubevouch.dev/authority-issued" ($born | toString) -}}
{{- dict "data" $data "annotations" $marks "bundle" $bundle | toJson -}}
{{- end -}}
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
