{{- define "speech.name" -}}
{{- printf "%s-%s" .Release.Name "speech" | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "speech.selector" -}}
app.kubernetes.io/name: speech-service
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "speech.labels" -}}
{{ include "speech.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "speech.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "speech.name" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Values of one class of device, over the defaults; a dict {root, class} goes in, JSON comes out. */}}
{{- define "speech.class" -}}
{{- $own := index .root.Values.deviceClasses .class -}}
{{- mergeOverwrite (deepCopy .root.Values.defaults) (deepCopy $own) | toJson -}}
{{- end -}}

{{/* A probe of a service of grpc.health.v1; a list [root, service] goes in. */}}
{{- define "speech.probe" -}}
{{- $root := index . 0 -}}
{{- $service := index . 1 -}}
{{- if eq $root.Values.probes.kind "grpc" -}}
grpc:
  port: 50052
  {{- with $service }}
  service: {{ . }}
  {{- end }}
{{- else -}}
exec:
  command: [python, -I, -m, speech_service.probe, "127.0.0.1:50052"{{ with $service }}, {{ . }}{{ end }}]
{{- end -}}
{{- end -}}
