{{- define "volcheck.fullname" -}}
{{- $name := .Release.Name -}}
{{- if not (contains "volcheck" $name) }}{{ $name = printf "%s-volcheck" $name }}{{ end -}}
{{- $name = .Values.fullnameOverride | default $name | trunc 50 | trimSuffix "-" -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "`%s` is not a valid Service name: set `fullnameOverride` to a name that starts with a letter and contains only lowercase letters, digits and `-`" $name) -}}
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
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The annotations of an object: `commonAnnotations` and those of the object, which take precedence. Arguments: the root
context and the annotations of the object. */}}
{{- define "volcheck.annotations" -}}
{{- with mergeOverwrite (deepCopy (index . 0).Values.commonAnnotations) (index . 1) -}}
annotations: {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* The metadata of an object. `root` is the root context. Optional keys: `name`, or `suffix` to append to the default name;
`isClusterScoped`, or `namespace` if it is not the release namespace; additional `labels` and `annotations`. */}}
{{- define "volcheck.metadata" -}}
name: {{ .name | default (include "volcheck.fullname" .root) }}{{ .suffix }}
{{- if not .isClusterScoped }}
namespace: {{ .namespace | default .root.Release.Namespace | quote }}
{{- end }}
labels:
  {{- if .labels }}
  {{- mergeOverwrite (include "volcheck.labels" .root | fromYaml) .labels | toYaml | nindent 2 }}
  {{- else }}
  {{- include "volcheck.labels" .root | nindent 2 }}
  {{- end }}
{{- with include "volcheck.annotations" (list .root (.annotations | default dict)) }}
{{ . }}
{{- end }}
{{- end -}}

{{/* The smallest and the largest number of replicas. */}}
{{- define "volcheck.minReplicas" -}}
{{- ternary .Values.autoscaling.minReplicas (.Values.replicas | default 2) .Values.autoscaling.enabled -}}
{{- end -}}
{{- define "volcheck.maxReplicas" -}}
{{- ternary .Values.autoscaling.maxReplicas (.Values.replicas | default 2) .Values.autoscaling.enabled -}}
{{- end -}}

{{- define "volcheck.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "volcheck.fullname" .) -}}
{{- end -}}

{{/* The host name by which the API server reaches volcheck, for which the serving certificate must be valid. */}}
{{- define "volcheck.serverName" -}}
{{- if .Values.webhook.url -}}
{{- (urlParse .Values.webhook.url).hostname -}}
{{- else -}}
{{- printf "%s.%s.svc" (include "volcheck.fullname" .) .Release.Namespace -}}
{{- end -}}
{{- end -}}

{{- define "volcheck.image" -}}
{{- with .Values.image -}}
{{- with .registry }}{{ . }}/{{ end -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* The fields that the specs of all Pods have in common. */}}
{{- define "volcheck.podDefaults" -}}
{{- with .Values -}}
enableServiceLinks: false
{{- with .image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- if not (kindIs "invalid" .hostUsers) }}
hostUsers: {{ .hostUsers }}
{{- end }}
{{- /* Without the host network, `ClusterFirstWithHostNet` is `ClusterFirst`. */}}
{{- with .dnsPolicy | default (.hostNetwork | ternary "ClusterFirstWithHostNet" "") }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .dnsConfig }}
dnsConfig: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .hostAliases }}
hostAliases: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- toYaml .podSecurityContext | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* The fields that the containers of all Pods have in common. */}}
{{- define "volcheck.containerDefaults" -}}
image: {{ include "volcheck.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.extraEnv }}
env: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom: {{- toYaml . | nindent 2 }}
{{- end }}
resources: {{- toYaml .Values.resources | nindent 2 }}
securityContext: {{- toYaml .Values.securityContext | nindent 2 }}
{{- end -}}

{{/* The rules of a NetworkPolicy for egress to the API server. The context is the value `networkPolicy`. */}}
{{- define "volcheck.apiServerEgress" -}}
- ports:
    {{- range .apiServerPorts }}
    - { port: {{ . }} }
    {{- end }}
  {{- with .to }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
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

{{/* The fields that all webhook entries have in common. Arguments: the root context, the name of the entry and the URL
path. */}}
{{- define "volcheck.webhookDefaults" -}}
{{- $root := index . 0 }}{{ $entry := index . 1 }}{{ $path := index . 2 -}}
{{- with $root.Values.webhook -}}
admissionReviewVersions: [v1]
# Events are side effects. There are none in dry runs.
sideEffects: {{ ternary "NoneOnDryRun" "None" $root.Values.events.enabled }}
matchPolicy: Equivalent
timeoutSeconds: {{ get .timeouts $entry | default .timeoutSeconds }}
objectSelector: {{- toYaml .objectSelector | nindent 2 }}
{{- with .matchConditions }}
matchConditions:
  {{- toYaml . | nindent 2 }}
{{- end }}
clientConfig:
  {{- if eq $root.Values.certs.mode "secret" }}
  caBundle: {{ $root.Values.certs.caBundle | b64enc }}
  {{- end }}
  {{- if .url }}
  url: {{ .url }}{{ $path }}
  {{- else }}
  service:
    namespace: {{ $root.Release.Namespace | quote }}
    name: {{ include "volcheck.fullname" $root }}
    path: {{ $path }}
    port: 443
  {{- end }}
{{- end -}}
{{- end -}}

{{/* The match expressions of the checked namespaces. They exclude the release namespace and the namespaces that the values
exclude. A selector is a conjunction, so each of the excluded labels becomes one negated expression. */}}
{{- define "volcheck.checkedNamespaces" -}}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values:
    - {{ .Release.Namespace | quote }}
    {{- range .Values.webhook.excludedNamespaces }}
    {{- if ne . $.Release.Namespace }}
    - {{ . | quote }}
    {{- end }}
    {{- end }}
{{- range $key, $values := .Values.webhook.excludedNamespaceLabels }}
{{- if $values }}
- { key: {{ $key | quote }}, operator: NotIn, values: {{ toJson $values }} }
{{- else }}
- { key: {{ $key | quote }}, operator: DoesNotExist }
{{- end }}
{{- end }}
{{- range $key, $value := .Values.webhook.namespaceSelector.matchLabels }}
- { key: {{ $key | quote }}, operator: In, values: [{{ $value | quote }}] }
{{- end }}
{{- with .Values.webhook.namespaceSelector.matchExpressions }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The webhook entries. */}}
{{- define "volcheck.webhooks" -}}
- name: validate.volcheck.io
  {{- include "volcheck.webhookDefaults" (list . "validate" "/validate") | nindent 2 }}
  failurePolicy: {{ .Values.webhook.failurePolicy }}
  namespaceSelector:
    matchExpressions:
      {{- include "volcheck.checkedNamespaces" . | nindent 6 }}
      # Each Pod in the checked namespaces matches either this entry or the next one. The label can
      # enforce mode `deny` in a namespace, but cannot weaken the mode that the policy sets.
      - { key: volcheck.io/mode, operator: NotIn, values: [deny] }
  rules: &pods
    - { apiGroups: [""], apiVersions: ["*"], operations: [CREATE], resources: [pods], scope: Namespaced }
    - { apiGroups: [""], apiVersions: ["*"], operations: [UPDATE], resources: [pods/ephemeralcontainers], scope: Namespaced }
- name: strict.volcheck.io
  {{- include "volcheck.webhookDefaults" (list . "strict" "/validate/deny") | nindent 2 }}
  failurePolicy: {{ .Values.webhook.failurePolicy }}
  namespaceSelector:
    matchExpressions:
      {{- include "volcheck.checkedNamespaces" . | nindent 6 }}
      - { key: volcheck.io/mode, operator: In, values: [deny] }
  rules: *pods
- name: volumes.volcheck.io
  {{- include "volcheck.webhookDefaults" (list . "volumes" "/validate") | nindent 2 }}
  # A rejected volume would stall its provisioner, and with it storage for the whole cluster.
  failurePolicy: Ignore
  namespaceSelector: {}
  rules:
    # The source of a volume never changes, but an update can bind it or change its reclaim policy.
    - { apiGroups: [""], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: [persistentvolumes], scope: Cluster }
- name: advise.volcheck.io
  {{- include "volcheck.webhookDefaults" (list . "advise" "/advise") | nindent 2 }}
  failurePolicy: Ignore
  namespaceSelector:
    matchExpressions:
      {{- include "volcheck.checkedNamespaces" . | nindent 6 }}
  rules:
    - apiGroups: ["", apps, batch]
      apiVersions: ["*"]
      operations: [CREATE, UPDATE]
      resources: [podtemplates, replicationcontrollers, deployments, replicasets, statefulsets, daemonsets, jobs, cronjobs, persistentvolumeclaims]
      scope: Namespaced
{{- if .Values.webhook.adviseKubeSystem }}
- name: system.volcheck.io
  {{- include "volcheck.webhookDefaults" (list . "system" "/advise") | nindent 2 }}
  # A failing webhook must not prevent the cluster from starting.
  failurePolicy: Ignore
  namespaceSelector:
    matchLabels: { kubernetes.io/metadata.name: kube-system }
  rules: *pods
{{- end }}
{{- end -}}

{{/* Whether labels match a label selector. Arguments: the selector and the labels. */}}
{{- define "volcheck.selects" -}}
{{- $selector := index . 0 }}{{ $labels := index . 1 }}{{ $matches := true -}}
{{- range $key, $value := $selector.matchLabels -}}
{{- if not (and (hasKey $labels $key) (eq (get $labels $key) $value)) }}{{ $matches = false }}{{ end -}}
{{- end -}}
{{- range $selector.matchExpressions -}}
{{- $exists := hasKey $labels .key -}}
{{- $isIn := and $exists (has (get $labels .key) .values) -}}
{{- $result := dict "In" $isIn "NotIn" (not $isIn) "Exists" $exists "DoesNotExist" (not $exists) -}}
{{- if not (get $result .operator) }}{{ $matches = false }}{{ end -}}
{{- end -}}
{{- $matches -}}
{{- end -}}

{{- define "volcheck.checkNamespace" -}}
{{- .Values.installCheck.namespace | default "default" -}}
{{- end -}}

{{/* Whether the check runs. It can't run in the release namespace, in which the webhook checks nothing. */}}
{{- define "volcheck.runsCheck" -}}
{{- and .Values.installCheck.enabled (ne (include "volcheck.checkNamespace" .) .Release.Namespace) -}}
{{- end -}}

{{/* The hook annotations of the objects that the check needs. Helm deletes these objects after the hooks. */}}
{{- define "volcheck.checkHook" -}}
helm.sh/hook: post-install,post-upgrade,post-rollback,test
helm.sh/hook-weight: "-1"
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* The metadata of an object that the check needs. Arguments: the keys of `volcheck.metadata`. */}}
{{- define "volcheck.checkMetadata" -}}
{{- include "volcheck.metadata" (merge (dict "suffix" "-check" "annotations" (include "volcheck.checkHook" .root | fromYaml)) .) -}}
{{- end -}}

{{/* The labels that select the Pods of the check. They differ from the selector labels, so that the Service doesn't select
these Pods. */}}
{{- define "volcheck.checkLabels" -}}
app.kubernetes.io/name: volcheck-check
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* The spec of a Pod that runs `volcheck probe`. Arguments: the root context and the timeout in seconds. The Pod needs no
host network, because it only connects to the API server. */}}
{{- define "volcheck.checkPod" -}}
{{- $root := index . 0 }}{{ $timeout := index . 1 -}}
{{- with $root.Values -}}
{{- $isSelf := eq .certs.mode "self" -}}
restartPolicy: Never
serviceAccountName: {{ include "volcheck.fullname" $root }}-check
automountServiceAccountToken: true
{{ include "volcheck.podDefaults" $root }}
{{- with .affinity.nodeAffinity }}
affinity:
  nodeAffinity: {{- toYaml . | nindent 4 }}
{{- end }}
containers:
  - name: check
    {{- include "volcheck.containerDefaults" $root | nindent 4 }}
    args:
      - probe
      - {{ printf "--namespace=%s" (include "volcheck.checkNamespace" $root) | quote }}
      - --timeout={{ $timeout }}
      - --registration={{ include "volcheck.fullname" $root }}
      {{- if $isSelf }}
      - --webhooks=/policy/webhooks.json
      {{- end }}
      {{- range $key, $value := .installCheck.podLabels }}
      - {{ printf "--label=%s=%s" $key $value | quote }}
      {{- end }}
    terminationMessagePolicy: FallbackToLogsOnError
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
