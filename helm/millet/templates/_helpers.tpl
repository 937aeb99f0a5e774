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

{{- /* At most 30 characters: with a part and a number it is a pod's name, and that is an executor's (60). */ -}}
{{- define "millet.name" -}}
{{- if contains "millet" .Release.Name }}{{ .Release.Name | trunc 30 | trimSuffix "-" }}
{{- else }}{{ .Release.Name | trunc 23 | trimSuffix "-" }}-millet{{ end -}}
{{- end }}

{{- /* The parts, as YAML: each with name (of its objects), component, roles, replicas and what its pods are. A single
       service is one part with every role. */ -}}
{{- define "millet.parts" -}}
{{- $name := include "millet.name" . -}}
{{- $usual := pick .Values "image" "settings" "resources" "nodeSelector" "tolerations" "affinity" "priorityClassName" "startupSeconds" "preStopSeconds" -}}
{{- $parts := list -}}
{{- if eq .Values.mode "single" -}}
  {{- $parts = append $parts (dict "name" $name "component" "all" "roles" (list "receive" "analyse" "deliver" "api") "replicas" 1) -}}
{{- else -}}
  {{- $parts = append $parts (mergeOverwrite (dict "name" (printf "%s-receiver" $name) "component" "receiver" "roles" (list "receive")) .Values.receivers) -}}
  {{- range $pool, $own := .Values.analysers -}}
    {{- $part := mergeOverwrite (dict "name" (printf "%s-analyser-%s" $name $pool) "component" (printf "analyser-%s" $pool) "roles" (list "analyse")) $own -}}
    {{- if and (ne $.Values.autoscaling.kind "none") (hasKey $.Values.autoscaling.pools $pool) -}}
      {{- $_ := set $part "scaled" (get $.Values.autoscaling.pools $pool) -}}
    {{- end -}}
    {{- $parts = append $parts $part -}}
  {{- end -}}
  {{- $parts = append $parts (mergeOverwrite (dict "name" (printf "%s-deliverer" $name) "component" "deliverer" "roles" (list "deliver")) .Values.deliverers) -}}
  {{- $parts = append $parts (mergeOverwrite (dict "name" (printf "%s-api" $name) "component" "api" "roles" (list "api")) .Values.api) -}}
{{- end -}}
{{- $whole := list -}}
{{- range $part := $parts -}}
  {{- $own := deepCopy $usual -}}
  {{- /* what a pod is made of is replaced as a whole; image and settings are completed */ -}}
  {{- range $key, $value := $part -}}
    {{- if or (eq $key "image") (eq $key "settings") -}}
      {{- $_ := set $own $key (mergeOverwrite (deepCopy (get $usual $key)) $value) -}}
    {{- else -}}
      {{- $_ := set $own $key $value -}}
    {{- end -}}
  {{- end -}}
  {{- $whole = append $whole $own -}}
{{- end -}}
{{- toYaml (dict "parts" $whole) -}}
{{- end }}

{{- /* Whether all pods share one volume. */ -}}
{{- define "millet.sharesVolume" -}}
{{- if and (eq .Values.mode "cluster") (not .Values.settings.spool_url) }}yes{{ end -}}
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
