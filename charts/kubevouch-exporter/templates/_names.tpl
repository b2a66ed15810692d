{{/* Helm's own labels, beside ours. `make deploy` leaves them out. */}}
{{- define "exporter.helm" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The image by its digest. */}}
{{- define "exporter.image" -}}
{{- if not (and .Values.image.repository (regexMatch "^sha256:[0-9a-f]{64}$" (.Values.image.digest | default ""))) -}}
{{- fail (printf "expected image.repository and image.digest (sha256:DIGEST), got %s@%s; see docs/install.md" .Values.image.repository .Values.image.digest) -}}
{{- end -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- end }}
