{{/* Helm's own labels, beside ours. `make deploy` leaves them out. */}}
{{- define "approver.helm" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* How many pods: the value's, else two where the cluster has two control planes or more. */}}
{{- define "approver.replicas" -}}
{{- if kindIs "invalid" .Values.replicas -}}
{{- $masters := 0 -}}
{{- range (lookup "v1" "Node" "" "").items -}}
{{- if hasKey (.metadata.labels | default dict) "node-role.kubernetes.io/control-plane" -}}
{{- $masters = add1 $masters -}}
{{- end -}}
{{- end -}}
{{- ternary 2 1 (ge (int $masters) 2) -}}
{{- else -}}
{{- .Values.replicas -}}
{{- end -}}
{{- end }}

{{/* The image by its digest, and the one place where a release that cannot work is refused. */}}
{{- define "approver.image" -}}
{{- if ne .Release.Namespace "kubevouch-system" -}}
{{- fail (printf "expected --namespace kubevouch-system, got %s; kubevouch looks for its approver only there" .Release.Namespace) -}}
{{- end -}}
{{- if ne .Release.Name "kubevouch-approver" -}}
{{- fail (printf "expected release name kubevouch-approver, got %s; a cluster has one approver" .Release.Name) -}}
{{- end -}}
{{- if not (and .Values.image.repository (regexMatch "^sha256:[0-9a-f]{64}$" (.Values.image.digest | default ""))) -}}
{{- fail (printf "expected image.repository and image.digest (sha256:DIGEST), got %s@%s; see docs/install.md" .Values.image.repository .Values.image.digest) -}}
{{- end -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- end }}

{{/* Names as a CEL list, in a scalar of YAML. */}}
{{- define "approver.names" -}}
'[{{ range $index, $name := . }}{{ if $index }}, {{ end }}{{ $name | toJson | replace "'" "''" }}{{ end }}]'
{{- end }}
