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
{{- fail (printf "namespace %s: the approver's names are known in kubevouch-system only; --namespace kubevouch-system was expected" .Release.Namespace) -}}
{{- end -}}
{{- if ne .Release.Name "kubevouch-approver" -}}
{{- fail (printf "release %s: a cluster has one approver; the release's name kubevouch-approver was expected" .Release.Name) -}}
{{- end -}}
{{- if not (and .Values.image.repository (regexMatch "^sha256:[0-9a-f]{64}$" (.Values.image.digest | default ""))) -}}
{{- fail (printf "image %s@%s: does not name one image; image.repository and image.digest (sha256:DIGEST) were expected. docs/install.md builds it" .Values.image.repository .Values.image.digest) -}}
{{- end -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- end }}

{{/* Names as a CEL list, in a scalar of YAML. */}}
{{- define "approver.names" -}}
'[{{ range $index, $name := . }}{{ if $index }}, {{ end }}{{ $name | toJson | replace "'" "''" }}{{ end }}]'
{{- end }}
