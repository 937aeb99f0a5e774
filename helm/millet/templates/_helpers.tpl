{{- define "millet.selector" -}}
app.kubernetes.io/name: millet
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "millet.labels" -}}
{{ include "millet.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "millet.name" -}}
{{- if contains "millet" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-millet{{ end -}}
{{- end }}

{{- /* A setting as a TOML value. YAML numbers come as floats, so whole ones are written without exponent. */ -}}
{{- define "millet.toml" -}}
{{- if kindIs "slice" . }}[{{ range $at, $one := . }}{{ if $at }}, {{ end }}{{ include "millet.toml" $one }}{{ end }}]
{{- else if kindIs "map" . }}{ {{- range $at, $name := keys . | sortAlpha }}{{ if $at }},{{ end }} {{ $name }} = {{ include "millet.toml" (get $ $name) }}{{ end }} }
{{- else if kindIs "string" . }}{{ toJson . }}
{{- else if kindIs "bool" . }}{{ . }}
{{- else if eq (float64 .) (floor .) }}{{ int64 . }}
{{- else }}{{ . }}{{ end -}}
{{- end }}
