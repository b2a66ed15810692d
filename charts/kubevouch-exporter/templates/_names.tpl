{{/* Helm's own labels, beside ours. `make deploy` leaves them out. */}}
{{- define "exporter.helm" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The account of the pod that does it, by which its pod is labelled, too. */}}
{{- define "exporter.account" -}}
{{- if and .Values.inTheApproversPod (ne .Release.Namespace "kubevouch-system") -}}
{{- fail (printf "namespace %s: the approver's pod is in kubevouch-system; --namespace kubevouch-system was expected with inTheApproversPod" .Release.Namespace) -}}
{{- end -}}
{{- ternary "kubevouch-approver" "kubevouch-exporter" .Values.inTheApproversPod -}}
{{- end }}

{{/* The image by its digest. */}}
{{- define "exporter.image" -}}
{{- if not (and .Values.image.repository (regexMatch "^sha256:[0-9a-f]{64}$" (.Values.image.digest | default ""))) -}}
{{- fail (printf "image %s@%s: does not name one image; image.repository and image.digest (sha256:DIGEST) were expected. docs/image.md builds it" .Values.image.repository .Values.image.digest) -}}
{{- end -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- end }}
