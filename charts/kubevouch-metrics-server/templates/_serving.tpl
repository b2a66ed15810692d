{{/*
Where the serving certificate comes from: server, cert-manager, existingSecret, or own (the operator's arguments and volumes).
metrics-server would sign its own certificate, which nobody can verify.
*/}}
{{- define "metrics-server.tls" -}}
{{- $type := (.Values.tls).type | default "metrics-server" -}}
{{- if and (eq $type "metrics-server") .Values.apiService.caBundle -}}
own
{{- else if has $type (list "metrics-server" "helm") -}}
server
{{- else -}}
{{- $type -}}
{{- end -}}
{{- end }}

{{- define "metrics-server.secretName" -}}
{{- $type := include "metrics-server.tls" . -}}
{{- if eq $type "existingSecret" -}}
{{- required "tls.existingSecret.name: expected the name of a Secret, got nothing" .Values.tls.existingSecret.name -}}
{{- else -}}
{{- include "metrics-server.fullname" . -}}{{ if eq $type "server" }}-authority{{ end }}
{{- end -}}
{{- end }}

{{/* A list in JSON; the second is the one that the API server asks for. */}}
{{- define "metrics-server.certificateNames" -}}
{{- $name := include "metrics-server.fullname" . -}}
{{- $domain := (.Values.tls).clusterDomain | default "cluster.local" -}}
{{- $within := printf "%s.%s" $name .Release.Namespace -}}
{{- list $within (printf "%s.svc" $within) (printf "%s.svc.%s" $within $domain) | toJson -}}
{{- end }}

{{/* The versions of the metrics API that lead here, what it is judged by first, with their versionPriority; as JSON. */}}
{{- define "metrics-server.versions" -}}
{{- $versions := list (dict "name" "v1beta1" "priority" 100) (dict "name" "v1" "priority" 200) -}}
{{- if .Values.apiService.v1Only -}}
{{- $marks := ((lookup "apiregistration.k8s.io/v1" "APIService" "" "v1beta1.metrics.k8s.io").metadata).annotations | default dict -}}
{{- if and (eq .Release.Name (index $marks "meta.helm.sh/release-name" | default "")) (eq .Release.Namespace (index $marks "meta.helm.sh/release-namespace" | default "")) -}}
{{- fail "apiService.v1Only: expected another release name; this release owns v1beta1.metrics.k8s.io, which HPAs read, and would delete it" -}}
{{- end -}}
{{- $versions = rest $versions -}}
{{- end -}}
{{- $versions | toJson -}}
{{- end }}

{{/* The spec of a version's APIService as the cluster has it, as JSON; {} where there is none, or no cluster can be asked. */}}
{{- define "metrics-server.apiServiceThere" -}}
{{- (lookup "apiregistration.k8s.io/v1" "APIService" "" (printf "%s.metrics.k8s.io" .)).spec | default dict | toJson -}}
{{- end }}

{{/* The authority of our pods, in base64; "" where it is not made yet, or no cluster can be asked. */}}
{{- define "metrics-server.authority" -}}
{{- index ((lookup "v1" "Secret" .Release.Namespace (include "metrics-server.secretName" .)).data | default dict) "ca.crt" | default "" -}}
{{- end }}

{{/*
"yes" while the pods that answer are still those of another chart, ours are not rolled out, or have no authority yet. Until the next
upgrade insecureSkipTLSVerify then stays where it is, since those pods' certificates are nobody's and `kubectl top` would end; it is never
set where it is not. And v1, which those pods do not serve, does not come; where it is, it stays.
*/}}
{{- define "metrics-server.othersAnswer" -}}
{{- $running := lookup "apps/v1" "Deployment" .Release.Namespace (include "metrics-server.fullname" .) | default dict -}}
{{- if $running -}}
{{- $chart := index (($running.metadata).labels | default dict) "helm.sh/chart" | default "" -}}
{{- $status := $running.status | default dict -}}
{{- $pods := $status.replicas | default 0 | int -}}
{{- $ours := and (hasPrefix (printf "%s-" .Chart.Name) $chart) (eq ($status.observedGeneration | default 0 | int64) ($running.metadata.generation | int64)) -}}
{{- $unsigned := and (eq (include "metrics-server.tls" .) "server") (not (include "metrics-server.authority" .)) -}}
{{- if not (and $ours $pods (not $unsigned) (eq $pods ($status.updatedReplicas | default 0 | int)) (eq $pods ($status.readyReplicas | default 0 | int))) -}}
yes
{{- end -}}
{{- end -}}
{{- end }}

{{/*
What the API server trusts, in base64; "" where somebody else writes it: cert-manager, or the server itself. Of the chart and what
apiServiceThere is.

What the server has written, an upgrade by Helm repeats, so that a rollback to metrics-server's chart takes it out. Where nobody
has written anything for fear of insecureSkipTLSVerify, or there is no APIService yet, it is the authority of our pods.
*/}}
{{- define "metrics-server.bundle" -}}
{{- $there := last . -}}
{{- with first . -}}
{{- $type := include "metrics-server.tls" . -}}
{{- if eq $type "server" -}}
{{- if and $there (not $there.insecureSkipTLSVerify) -}}
{{- $there.caBundle | default "" -}}
{{- else -}}
{{- include "metrics-server.authority" . -}}
{{- end -}}
{{- else if eq $type "existingSecret" -}}
{{- $given := .Values.apiService.caBundle -}}
{{- if $given -}}
{{- $given | b64enc -}}
{{- else -}}
{{- $name := include "metrics-server.secretName" . -}}
{{- $data := dict -}}
{{- if .Values.tls.existingSecret.lookup -}}
{{- $data = (lookup "v1" "Secret" .Release.Namespace $name).data | default dict -}}
{{- end -}}
{{- index $data "ca.crt" | default (index $data "tls.crt") | required (printf "expected apiService.caBundle, got nothing; Secret %s cannot be read or has no tls.crt" $name) -}}
{{- end -}}
{{- else if ne $type "cert-manager" -}}
{{- .Values.apiService.caBundle | b64enc -}}
{{- end -}}
{{- end -}}
{{- end }}
