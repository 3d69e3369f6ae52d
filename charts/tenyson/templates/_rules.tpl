{{/* What the controller may do; docs/operator.md has the same table, and a test holds both to it. */}}

{{/* In each namespace that it serves. */}}
{{- define "tenyson.rules" -}}
- apiGroups: [tenyson.dev]
  resources: [tenysonjobs]
  verbs: [list, watch, delete]
- apiGroups: [tenyson.dev]
  resources: [tenysonjobs/status]
  verbs: [patch]
- apiGroups: [tenyson.dev]
  resources: [tenysonruntimes]
  verbs: [list, watch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [create, get, list, watch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [secrets, configmaps]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [create, get, list, patch]
- apiGroups: [""]
  resources: [services]
  verbs: [create, get]
{{- end }}

{{/* In its own namespace; what is only created has no name yet that a rule could name. */}}
{{- define "tenyson.ownRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "tenyson.controller" . }}]
  verbs: [get, update]
{{- if not .Values.certManager.enabled }}
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "tenyson.certificateSecret" . }}]
  verbs: [get, update]
{{- end }}
{{- end }}
