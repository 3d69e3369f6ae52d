{{/* The runtime `default`, of one namespace or, with an empty one, of the cluster. */}}

{{- define "tenyson.runtime" -}}
{{- $root := index . 0 -}}
{{- $namespace := index . 1 -}}
apiVersion: tenyson.dev/v1alpha1
kind: {{ ternary "TenysonRuntime" "ClusterTenysonRuntime" (ne $namespace "") }}
metadata:
  name: default
  {{- with $namespace }}
  namespace: {{ . }}
  {{- end }}
  {{- /* By `instance` Argo CD before version 3 knows its own, and would prune what no manifest has. */}}
  {{- $labels := omit (include "tenyson.labels" (list $root "runtime") | fromYaml) "app.kubernetes.io/instance" }}
  labels: {{- toYaml $labels | nindent 4 }}
spec: {{- include "tenyson.runtimeSpec" $root | nindent 2 }}
{{- end }}

{{- define "tenyson.runtimeSpec" -}}
{{- $account := include "tenyson.runnerServiceAccount" . -}}
{{- $own := ternary (dict "serviceAccountName" $account) dict (ne $account "") -}}
image: {{ include "tenyson.image" (list . .Values.runtime.image) }}
{{- with .Values.runtime.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.runtime.env }}
env: {{- toYaml . | nindent 0 }}
{{- end }}
{{- with include "tenyson.databaseSecretRef" . }}
telemetry:
  databaseSecretRef: {{- . | nindent 4 }}
{{- end }}
{{- range $field := list "output" "checkpoint" "retry" }}
{{- with index $.Values.runtime $field }}
{{ $field }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with merge (deepCopy .Values.runtime.pod) $own }}
pod: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The rights to apply it, for as long as that takes. */}}
{{- define "tenyson.runtimeRights" -}}
{{- $root := index . 0 -}}
{{- $namespace := index . 1 -}}
{{- $prefix := ternary "" "Cluster" (ne $namespace "") -}}
{{- range $kind := list "Role" "RoleBinding" }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $prefix }}{{ $kind }}
metadata:
  name: {{ include "tenyson.fullname" $root }}-runtime
  {{- with $namespace }}
  namespace: {{ . }}
  {{- end }}
  labels: {{- include "tenyson.labels" (list $root "runtime") | nindent 4 }}
  annotations: {{- include "tenyson.runtimeHook" 0 | nindent 4 }}
{{- if eq $kind "Role" }}
rules:
- apiGroups: [tenyson.dev]
  resources: [{{ ternary "tenysonruntimes" "clustertenysonruntimes" (ne $namespace "") }}]
  resourceNames: [default]
  verbs: [create, patch]
{{- else }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $prefix }}Role
  name: {{ include "tenyson.fullname" $root }}-runtime
subjects:
- kind: ServiceAccount
  name: {{ include "tenyson.fullname" $root }}-runtime
  namespace: {{ $root.Release.Namespace }}
{{- end }}
{{- end }}
{{- end }}

{{/* After a rollback too, which brings back the values of then. Give it the weight. */}}
{{- define "tenyson.runtimeHook" -}}
{{ include "tenyson.hook" (list "post-install,post-upgrade,post-rollback" .) }}
{{- end }}
