{{/* Names and labels as metrics-server's chart has them: selectors, and names of cluster-wide objects, cannot be changed in place. */}}

{{- define "metrics-server.name" -}}
{{- default "metrics-server" .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "metrics-server.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := default "metrics-server" .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "metrics-server.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{ include "metrics-server.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "metrics-server.selectorLabels" -}}
app.kubernetes.io/name: {{ include "metrics-server.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "metrics-server.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "metrics-server.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* One image: by image.digest, else by image.tag; what goes into metrics-server's own chart, NAME@sha256 as repository and the digits as tag, does, too. */}}
{{- define "metrics-server.image" -}}
{{- $repository := .Values.image.repository | default "" -}}
{{- $image := printf "%s:%s" $repository (.Values.image.tag | default "") -}}
{{- with .Values.image.digest -}}
{{- $image = printf "%s@%s" (trimSuffix "@sha256" $repository) . -}}
{{- end -}}
{{- if not (and $repository (regexMatch "^[^@]+(:[^/:@]+|@sha256:[0-9a-f]{64})$" $image)) -}}
{{- fail (printf "expected image.repository and image.digest (sha256:DIGEST), got %s; see docs/install.md" $image) -}}
{{- end -}}
{{- if (.Values.addonResizer).enabled -}}
{{- fail "expected addonResizer.enabled=false and resources, got true; this chart has no resizer" -}}
{{- end -}}
{{- $image -}}
{{- end }}

{{/* How many pods: the value's, else two where two nodes or more take pods. */}}
{{- define "metrics-server.replicas" -}}
{{- if kindIs "invalid" .Values.replicas -}}
{{- $all := (lookup "v1" "Node" "" "").items | default list -}}
{{- $free := 0 -}}
{{- range $all -}}
{{- $closed := (.spec).unschedulable | default false -}}
{{- range ((.spec).taints | default list) -}}
{{- if has .effect (list "NoSchedule" "NoExecute") -}}
{{- $closed = true -}}
{{- end -}}
{{- end -}}
{{- if not $closed -}}
{{- $free = add1 $free -}}
{{- end -}}
{{- end -}}
{{- ternary 1 2 (and (not (empty $all)) (lt (int $free) 2)) -}}
{{- else -}}
{{- .Values.replicas -}}
{{- end -}}
{{- end }}

{{/* Whether there is a budget: the value's word, else where there are two replicas or more. */}}
{{- define "metrics-server.budget" -}}
{{- $wanted := (.Values.podDisruptionBudget).enabled -}}
{{- if kindIs "invalid" $wanted -}}
{{- $wanted = gt (include "metrics-server.replicas" . | int) 1 -}}
{{- end -}}
{{- if $wanted }}yes{{ end -}}
{{- end }}
