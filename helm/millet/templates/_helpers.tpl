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

{{- /* The parts, as YAML: each with name (of its objects), component, roles, ports that others may reach, replicas and
       what its pods are. A single service is one part with every role. */ -}}
{{- define "millet.parts" -}}
{{- $name := include "millet.name" . -}}
{{- $usual := pick .Values "image" "settings" "resources" "nodeSelector" "tolerations" "affinity" "priorityClassName" "startupSeconds" "preStopSeconds" -}}
{{- $parts := list -}}
{{- if eq .Values.mode "single" -}}
  {{- $parts = append $parts (dict "name" $name "component" "all" "roles" (list "receive" "analyse" "deliver" "api") "ports" (list "dicom" "grpc" "web") "replicas" 1) -}}
{{- else -}}
  {{- $parts = append $parts (mergeOverwrite (dict "name" (printf "%s-receiver" $name) "component" "receiver" "roles" (list "receive") "ports" (list "dicom")) .Values.receivers) -}}
  {{- if .Values.intake.replicas -}}
    {{- $parts = append $parts (mergeOverwrite (dict "name" (printf "%s-intake" $name) "component" "intake" "roles" (list "receive" "api") "ports" (list "grpc" "web")) .Values.intake) -}}
  {{- end -}}
  {{- range $pool, $own := .Values.analysers -}}
    {{- $part := mergeOverwrite (dict "name" (printf "%s-analyser-%s" $name $pool) "component" (printf "analyser-%s" $pool) "roles" (list "analyse") "ports" list) $own -}}
    {{- if and (ne $.Values.autoscaling.kind "none") (hasKey $.Values.autoscaling.pools $pool) -}}
      {{- $_ := set $part "scaled" (get $.Values.autoscaling.pools $pool) -}}
    {{- end -}}
    {{- $parts = append $parts $part -}}
  {{- end -}}
  {{- $parts = append $parts (mergeOverwrite (dict "name" (printf "%s-deliverer" $name) "component" "deliverer" "roles" (list "deliver") "ports" list) .Values.deliverers) -}}
  {{- $parts = append $parts (mergeOverwrite (dict "name" (printf "%s-api" $name) "component" "api" "roles" (list "api") "ports" (list "grpc" "web")) .Values.api) -}}
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
  {{- if and (has "analyse" $own.roles) $own.settings.kserve_port -}}
    {{- $_ := set $own "ports" (append $own.ports "kserve") -}}
  {{- end -}}
  {{- $whole = append $whole $own -}}
{{- end -}}
{{- range $setting := list "stow" "grpc_submits" "grpc_pulls" -}}
  {{- $asked := false -}}
  {{- $offered := false -}}
  {{- range $part := $whole -}}
    {{- if get $part.settings $setting -}}
      {{- $asked = true -}}
      {{- $offered = or $offered (and (has "receive" $part.roles) (has "api" $part.roles)) -}}
    {{- end -}}
  {{- end -}}
  {{- if and $asked (not $offered) -}}
    {{- fail (printf "%s is set, but no pod would follow it: that needs intake.replicas above 0, and the setting in settings or intake.settings" $setting) -}}
  {{- end -}}
{{- end -}}
{{- toYaml (dict "parts" $whole) -}}
{{- end }}

{{- /* Which lists of networkPolicy.egress a part (with roles and settings) connects by, as words. */ -}}
{{- define "millet.reaches" -}}
{{- $priors := false -}}
{{- range .settings.archive }}{{ if .priors }}{{ $priors = true }}{{ end }}{{ end -}}
stores traces
{{- if has "api" .roles }} issuer{{ end }}
{{- if has "analyse" .roles }} detectors{{ end }}
{{- if or (has "deliver" .roles) (has "receive" .roles) (and $priors (has "analyse" .roles)) }} destinations{{ end }}
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
