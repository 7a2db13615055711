{{- define "volcheck.fullname" -}}
{{- $name := .Release.Name -}}
{{- if not (contains "volcheck" $name) }}{{ $name = printf "%s-volcheck" $name }}{{ end -}}
{{- .Values.fullnameOverride | default $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "volcheck.selector" -}}
app.kubernetes.io/name: volcheck
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "volcheck.labels" -}}
{{ include "volcheck.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "volcheck.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* The policy: the mode of all namespaces is the chart's where the policy says none. */}}
{{- define "volcheck.policy" -}}
{{- $policy := deepCopy .Values.policy -}}
{{- range $policy.extends -}}
{{- if or (hasSuffix ".yaml" .) (hasSuffix ".yml" .) (hasPrefix "." .) -}}
{{- fail (printf "policy.extends: %s is a file, which the cluster doesn't have: `volcheck policy show --flat` makes one policy of several" .) -}}
{{- end -}}
{{- end -}}
{{- $modes := $policy.modes | default dict -}}
{{- if not (hasKey $modes "*") }}{{ $modes = set $modes "*" .Values.mode }}{{ end -}}
{{- $_ := set $policy "modes" $modes -}}
{{- $_ := set $policy "version" ($policy.version | default 1) -}}
{{- toYaml $policy -}}
{{- end -}}

{{/* What every entry of the registration has in common. */}}
{{- define "volcheck.webhook" -}}
{{- $root := index . 0 }}{{ $path := index . 1 -}}
admissionReviewVersions: [v1]
sideEffects: None
matchPolicy: Equivalent
{{- with $root.Values.webhook.matchConditions }}
matchConditions:
  {{- toYaml . | nindent 2 }}
{{- end }}
clientConfig:
  {{- if eq $root.Values.certs.mode "secret" }}
  caBundle: {{ $root.Values.certs.caBundle | b64enc }}
  {{- end }}
  service:
    namespace: {{ $root.Release.Namespace }}
    name: {{ include "volcheck.fullname" $root }}
    path: {{ $path }}
    port: 443
{{- end -}}

{{- define "volcheck.namespaces" -}}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values:
    - {{ .Release.Namespace }}
    {{- range .Values.webhook.excludedNamespaces }}
    {{- if ne . $.Release.Namespace }}
    - {{ . }}
    {{- end }}
    {{- end }}
{{- end -}}
