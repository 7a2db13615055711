{{- define "volcheck.fullname" -}}
{{- $name := .Release.Name -}}
{{- if not (contains "volcheck" $name) }}{{ $name = printf "%s-volcheck" $name }}{{ end -}}
{{- $name = .Values.fullnameOverride | default $name | trunc 50 | trimSuffix "-" -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "`%s` is not a valid Service name: set `fullnameOverride` to a name that starts with a letter" $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "volcheck.selectorLabels" -}}
app.kubernetes.io/name: volcheck
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "volcheck.labels" -}}
{{ include "volcheck.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "volcheck.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Whether volcheck uses the Kubernetes API: for the CA and the registration, or for Events. */}}
{{- define "volcheck.usesApi" -}}
{{- or (eq .Values.certs.mode "self") .Values.events.enabled -}}
{{- end -}}

{{/* The mode for namespaces that the policy does not mention. Helm parses YAML 1.1, in which `off` is a boolean. */}}
{{- define "volcheck.mode" -}}
{{- $modes := .Values.policy.modes | default dict -}}
{{- ternary (get $modes "*") .Values.mode (hasKey $modes "*") | toString | replace "false" "off" -}}
{{- end -}}

{{/* The policy. If it sets no mode for `*`, the value `mode` is used. */}}
{{- define "volcheck.policy" -}}
{{- $policy := deepCopy .Values.policy -}}
{{- range $policy.extends -}}
{{- if or (hasSuffix ".yaml" .) (hasSuffix ".yml" .) (hasPrefix "." .) -}}
{{- fail (printf "policy.extends: `%s` is a file, which the webhook cannot read: merge the files with `volcheck policy show --flat`" .) -}}
{{- end -}}
{{- end -}}
{{- $modes := $policy.modes | default dict -}}
{{- $_ := set $policy "modes" (set $modes "*" (include "volcheck.mode" .)) -}}
{{- $_ := set $policy "version" ($policy.version | default 1) -}}
{{- toYaml $policy -}}
{{- end -}}

{{/* The fields that all webhook entries have in common. Arguments: the root context and the URL path. */}}
{{- define "volcheck.webhookDefaults" -}}
{{- $root := index . 0 }}{{ $path := index . 1 -}}
admissionReviewVersions: [v1]
# Events are side effects. There are none in dry runs.
sideEffects: {{ ternary "NoneOnDryRun" "None" $root.Values.events.enabled }}
matchPolicy: Equivalent
objectSelector: {}
{{- with $root.Values.webhook.matchConditions }}
matchConditions:
  {{- toYaml . | nindent 2 }}
{{- end }}
clientConfig:
  {{- if eq $root.Values.certs.mode "secret" }}
  caBundle: {{ $root.Values.certs.caBundle | b64enc }}
  {{- end }}
  service:
    namespace: {{ $root.Release.Namespace | quote }}
    name: {{ include "volcheck.fullname" $root }}
    path: {{ $path }}
    port: 443
{{- end -}}

{{/* The match expression that excludes the release namespace and `webhook.excludedNamespaces`. */}}
{{- define "volcheck.excludedNamespaces" -}}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values:
    - {{ .Release.Namespace | quote }}
    {{- range .Values.webhook.excludedNamespaces }}
    {{- if ne . $.Release.Namespace }}
    - {{ . | quote }}
    {{- end }}
    {{- end }}
{{- end -}}

{{/* The webhook entries. */}}
{{- define "volcheck.webhooks" -}}
- name: validate.volcheck.io
  {{- include "volcheck.webhookDefaults" (list . "/validate") | nindent 2 }}
  failurePolicy: {{ .Values.webhook.failurePolicy }}
  timeoutSeconds: {{ .Values.webhook.timeoutSeconds }}
  namespaceSelector:
    matchExpressions:
      {{- include "volcheck.excludedNamespaces" . | nindent 6 }}
      # Each Pod outside of the excluded namespaces matches either this entry or the next one. The
      # label can enforce mode `deny` in a namespace, but cannot weaken the mode that the policy sets.
      - { key: volcheck.io/mode, operator: NotIn, values: [deny] }
  rules: &pods
    - { apiGroups: [""], apiVersions: ["*"], operations: [CREATE], resources: [pods], scope: Namespaced }
    - { apiGroups: [""], apiVersions: ["*"], operations: [UPDATE], resources: [pods/ephemeralcontainers], scope: Namespaced }
- name: strict.volcheck.io
  {{- include "volcheck.webhookDefaults" (list . "/validate/deny") | nindent 2 }}
  failurePolicy: {{ .Values.webhook.failurePolicy }}
  timeoutSeconds: {{ .Values.webhook.timeoutSeconds }}
  namespaceSelector:
    matchExpressions:
      {{- include "volcheck.excludedNamespaces" . | nindent 6 }}
      - { key: volcheck.io/mode, operator: In, values: [deny] }
  rules: *pods
- name: volumes.volcheck.io
  {{- include "volcheck.webhookDefaults" (list . "/validate") | nindent 2 }}
  # A rejected volume would stall its provisioner, and with it storage for the whole cluster.
  failurePolicy: Ignore
  timeoutSeconds: {{ .Values.webhook.timeoutSeconds }}
  namespaceSelector: {}
  rules:
    # The source of a volume never changes, but an update can bind it or change its reclaim policy.
    - { apiGroups: [""], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: [persistentvolumes], scope: Cluster }
- name: advise.volcheck.io
  {{- include "volcheck.webhookDefaults" (list . "/advise") | nindent 2 }}
  failurePolicy: Ignore
  timeoutSeconds: 2
  namespaceSelector:
    matchExpressions:
      {{- include "volcheck.excludedNamespaces" . | nindent 6 }}
  rules:
    - apiGroups: ["", apps, batch]
      apiVersions: ["*"]
      operations: [CREATE, UPDATE]
      resources: [podtemplates, replicationcontrollers, deployments, replicasets, statefulsets, daemonsets, jobs, cronjobs, persistentvolumeclaims]
      scope: Namespaced
{{- if .Values.webhook.adviseKubeSystem }}
- name: system.volcheck.io
  {{- include "volcheck.webhookDefaults" (list . "/advise") | nindent 2 }}
  # A failing webhook must not prevent the cluster from starting.
  failurePolicy: Ignore
  timeoutSeconds: 2
  namespaceSelector:
    matchLabels: { kubernetes.io/metadata.name: kube-system }
  rules: *pods
{{- end }}
{{- end -}}

{{/* Whether the check runs. It can't run in the release namespace, in which the webhook checks nothing. */}}
{{- define "volcheck.runsCheck" -}}
{{- and .Values.installCheck.enabled (ne .Values.installCheck.namespace .Release.Namespace) -}}
{{- end -}}

{{/* The hook annotations of the objects that the check needs. Helm deletes these objects after the hooks. */}}
{{- define "volcheck.checkHook" -}}
helm.sh/hook: post-install,post-upgrade,post-rollback,test
helm.sh/hook-weight: "-1"
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* The labels of the Pods of the check. They differ from the selector labels, so that the Service doesn't select these Pods. */}}
{{- define "volcheck.checkLabels" -}}
app.kubernetes.io/name: volcheck-check
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* The spec of a Pod that runs `volcheck probe`. Arguments: the root context and the timeout in seconds. */}}
{{- define "volcheck.checkPod" -}}
{{- $root := index . 0 }}{{ $timeout := index . 1 -}}
{{- with $root.Values -}}
{{- $isSelf := eq .certs.mode "self" -}}
restartPolicy: Never
serviceAccountName: {{ include "volcheck.fullname" $root }}-check
automountServiceAccountToken: true
enableServiceLinks: false
{{- with .image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: { type: RuntimeDefault }
containers:
  - name: check
    image: {{ include "volcheck.image" $root }}
    imagePullPolicy: {{ .image.pullPolicy }}
    args:
      - probe
      - {{ printf "--namespace=%s" .installCheck.namespace | quote }}
      - --timeout={{ $timeout }}
      - --registration={{ include "volcheck.fullname" $root }}
      {{- if $isSelf }}
      - --webhooks=/policy/webhooks.json
      {{- end }}
      {{- range $key, $value := .installCheck.podLabels }}
      - {{ printf "--label=%s=%s" $key $value | quote }}
      {{- end }}
    resources: {{- toYaml .resources | nindent 6 }}
    terminationMessagePolicy: FallbackToLogsOnError
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: { drop: [ALL] }
    {{- if $isSelf }}
    volumeMounts:
      - { name: policy, mountPath: /policy, readOnly: true }
    {{- end }}
{{- if $isSelf }}
volumes:
  - name: policy
    configMap:
      name: {{ include "volcheck.fullname" $root }}
{{- end }}
{{- end -}}
{{- end -}}
