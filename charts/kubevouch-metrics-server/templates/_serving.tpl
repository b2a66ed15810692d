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
{{- required "tls.existingSecret.name: is empty; a Secret's name was expected" .Values.tls.existingSecret.name -}}
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
{{- .Values.apiService.v1Only | default false | ternary (rest $versions) $versions | toJson -}}
{{- end }}

{{/* The spec of the APIService as the cluster has it, as JSON; {} where no cluster can be asked. */}}
{{- define "metrics-server.apiServiceThere" -}}
{{- $name := printf "%s.metrics.k8s.io" (include "metrics-server.versions" . | fromJsonArray | first).name -}}
{{- (lookup "apiregistration.k8s.io/v1" "APIService" "" $name).spec | default dict | toJson -}}
{{- end }}

{{/*
"yes" while the pods that answer are still those of another chart, or ours have no authority yet: then insecureSkipTLSVerify, which its
APIService has, stays until the next upgrade, since those pods' certificates are nobody's and `kubectl top` would end. It is never set
where it is not.
*/}}
{{- define "metrics-server.othersAnswer" -}}
{{- $running := lookup "apps/v1" "Deployment" .Release.Namespace (include "metrics-server.fullname" .) | default dict -}}
{{- if and (include "metrics-server.apiServiceThere" . | fromJson).insecureSkipTLSVerify $running -}}
{{- $chart := index (($running.metadata).labels | default dict) "helm.sh/chart" | default "" -}}
{{- $status := $running.status | default dict -}}
{{- $pods := $status.replicas | default 0 | int -}}
{{- $ours := and (hasPrefix (printf "%s-" .Chart.Name) $chart) (eq ($status.observedGeneration | default 0 | int64) ($running.metadata.generation | int64)) -}}
{{- $unsigned := and (eq (include "metrics-server.tls" .) "server") (not (include "metrics-server.bundle" .)) -}}
{{- if not (and $ours $pods (not $unsigned) (eq $pods ($status.updatedReplicas | default 0 | int)) (eq $pods ($status.readyReplicas | default 0 | int))) -}}
yes
{{- end -}}
{{- end -}}
{{- end }}

{{/*
What the API server trusts, in base64; "" where somebody else writes it: cert-manager, or the server itself.

What the server has written, an upgrade by Helm repeats, so that a rollback to metrics-server's chart takes it out. Where nobody
has written anything for fear of insecureSkipTLSVerify, it is the authority of our pods.
*/}}
{{- define "metrics-server.bundle" -}}
{{- $type := include "metrics-server.tls" . -}}
{{- if eq $type "server" -}}
{{- $there := include "metrics-server.apiServiceThere" . | fromJson -}}
{{- if $there.insecureSkipTLSVerify -}}
{{- index ((lookup "v1" "Secret" .Release.Namespace (include "metrics-server.secretName" .)).data | default dict) "ca.crt" | default "" -}}
{{- else -}}
{{- $there.caBundle | default "" -}}
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
{{- index $data "ca.crt" | default (index $data "tls.crt") | required (printf "Secret %s: cannot be looked up, or has no tls.crt; apiService.caBundle was expected" $name) -}}
{{- end -}}
{{- else if ne $type "cert-manager" -}}
{{- .Values.apiService.caBundle | b64enc -}}
{{- end -}}
{{- end }}
