{{/* The metadata of a monitoring object. Arguments: the root context, the values of the object, and the suffix of its name. */}}
{{- define "volcheck.monitoringMetadata" -}}
{{- $root := index . 0 }}{{ $values := index . 1 -}}
name: {{ include "volcheck.fullname" $root }}{{ index . 2 }}
namespace: {{ $values.namespace | default $root.Release.Namespace | quote }}
labels: {{- merge (include "volcheck.labels" $root | fromYaml) $values.labels | toYaml | nindent 2 }}
{{- with include "volcheck.annotations" (list $root $values.annotations) }}
{{ . }}
{{- end }}
{{- end -}}

{{/* The endpoint that a ServiceMonitor or PodMonitor scrapes. Argument: the values of the monitor. */}}
{{- define "volcheck.scrapeEndpoint" -}}
- port: admin
  # Keeps the labels `namespace` and `endpoint` of volcheck's metrics. Otherwise, Prometheus would
  # rename them, because it adds labels with the same names.
  honorLabels: true
  {{- with .interval }}
  interval: {{ . }}
  {{- end }}
  {{- with .scrapeTimeout }}
  scrapeTimeout: {{ . }}
  {{- end }}
  {{- with .relabelings }}
  relabelings: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .metricRelabelings }}
  metricRelabelings: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
