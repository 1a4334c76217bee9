{{/* Cluster-scoped names carry the release's namespace, so that two releases do not share rights. */}}
{{- define "nopea.cluster" -}}
{{- if eq .Release.Namespace "nopea-system" -}}nopea{{- else -}}nopea-{{ .Release.Namespace }}{{- end -}}
{{- end }}

{{- define "nopea.selector" -}}
app.kubernetes.io/name: nopea
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "nopea.labels" -}}
{{ include "nopea.selector" . }}
app.kubernetes.io/part-of: nopea
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "nopea.subject" -}}
- kind: ServiceAccount
  name: nopea
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* A setting's value as the process reads it: Helm hands on numbers as floats, and would write 1073741824 as 1.073741824e+09. */}}
{{- define "nopea.text" -}}
{{- if kindIs "float64" . }}{{ printf "%.0f" . }}{{ else }}{{ toString . }}{{ end -}}
{{- end }}
