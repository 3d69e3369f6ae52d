{{/* Names, labels and what several templates need to know. */}}

{{- define "tenyson.name" -}}
{{- default .Chart.Name .Values.nameOverride | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* The prefix of all names: 40 characters, so that the longest suffix still fits into 63. */}}
{{- define "tenyson.fullname" -}}
{{- $name := include "tenyson.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "tenyson.controller" -}}
{{ include "tenyson.fullname" . }}-controller
{{- end }}

{{/*
Labels of an object; give it (list . "component"), and further ones as a third. Each key is there once,
and what finds an object stays what it is, whatever the values say.
*/}}
{{- define "tenyson.labels" -}}
{{- $root := index . 0 -}}
{{- $own := include "tenyson.selectorLabels" . | fromYaml -}}
{{- $further := ternary dict (last .) (lt (len .) 3) | default dict -}}
{{- $usual := dict
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" $root.Chart.AppVersion
  "app.kubernetes.io/managed-by" $root.Release.Service
  "app.kubernetes.io/part-of" "tenyson" -}}
{{- toYaml (merge $own $further ($root.Values.commonLabels | default dict) $usual) -}}
{{- end }}

{{/* Labels of a pod that another object makes; give it the same. */}}
{{- define "tenyson.podLabels" -}}
{{- $further := ternary dict (last .) (lt (len .) 3) | default dict -}}
{{- toYaml (merge (include "tenyson.selectorLabels" . | fromYaml) $further ((index . 0).Values.commonLabels | default dict)) -}}
{{- end }}

{{/* Labels that a component is found by; they never change. */}}
{{- define "tenyson.selectorLabels" -}}
{{- $root := index . 0 -}}
{{- $found := dict
  "app.kubernetes.io/name" (include "tenyson.name" $root)
  "app.kubernetes.io/instance" $root.Release.Name
  "app.kubernetes.io/component" (index . 1) -}}
{{- toYaml $found -}}
{{- end }}

{{/* An image; give it (list . .Values.image). */}}
{{- define "tenyson.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default $root.Chart.AppVersion $image.tag }}
{{- end -}}
{{- end }}

{{- define "tenyson.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "tenyson.controller" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "tenyson.runnerServiceAccount" -}}
{{- with .Values.runtime.serviceAccount -}}
{{- if .name -}}
{{ .name }}
{{- else if .create -}}
{{ include "tenyson.fullname" $ }}-runner
{{- end -}}
{{- end -}}
{{- end }}

{{/* The namespaces in which the chart makes what lies beside runs, as YAML. */}}
{{- define "tenyson.jobNamespaces" -}}
{{ toYaml (.Values.watchNamespaces | default .Values.jobNamespaces) }}
{{- end }}

{{/* The namespace that `helm test` runs its job in. */}}
{{- define "tenyson.testNamespace" -}}
{{- $served := include "tenyson.jobNamespaces" . | fromYamlArray -}}
{{- .Values.test.namespace | default (first $served) | default .Release.Namespace -}}
{{- end }}

{{/* Host name under which pods reach the controller. */}}
{{- define "tenyson.progressHost" -}}
{{- default (printf "%s-progress.%s.svc" (include "tenyson.fullname" .) .Release.Namespace) .Values.settings.progressAdvertise -}}
{{- end }}

{{/* The Service's port: running pods were given it, so it never changes. */}}
{{- define "tenyson.progressServicePort" -}}
8443
{{- end }}

{{/* The Secret of the endpoint's certificate. The controller leaves one alone that it has not made. */}}
{{- define "tenyson.certificateSecret" -}}
{{ include "tenyson.fullname" . }}-progress-{{ ternary "cert-manager" "certificate" .Values.certManager.enabled }}
{{- end }}

{{/* The Secret with the telemetry database's URL, as `name` and `key`; empty without telemetry. */}}
{{- define "tenyson.databaseSecretRef" -}}
{{- with .Values.telemetry.databaseSecretRef -}}
{{- $embedded := ternary (include "tenyson.postgresql" $) "" $.Values.postgresql.embedded -}}
{{- with default $embedded .name -}}
name: {{ . }}
key: {{ $.Values.telemetry.databaseSecretRef.key }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "tenyson.postgresql" -}}
{{ include "tenyson.fullname" . }}-postgresql
{{- end }}

{{/* Runner pods, as a label selector. */}}
{{- define "tenyson.runnerPods" -}}
matchExpressions:
- key: tenyson.dev/job
  operator: Exists
{{- end }}

{{/* What DNS needs, as an egress rule. */}}
{{- define "tenyson.dnsEgress" -}}
- ports:
  - port: 53
    protocol: UDP
  - port: 53
    protocol: TCP
{{- end }}

{{/* The API server, as an egress rule: by its own ports, not those of the Service before it. */}}
{{- define "tenyson.apiServerEgress" -}}
{{- with .Values.networkPolicy -}}
- ports:
  {{- range .apiServerPorts }}
  - port: {{ . }}
  {{- end }}
  {{- with .apiServerCIDRs }}
  to:
  {{- range . }}
  - ipBlock: {cidr: {{ . | quote }}}
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{/*
Annotations of what is only made for a moment; give it (list "when" weight). A Job that failed stays,
for its log.
*/}}
{{- define "tenyson.hook" -}}
helm.sh/hook: {{ index . 0 }}
helm.sh/hook-weight: {{ index . 1 | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

