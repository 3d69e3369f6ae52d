{{/* Parts of the controller's pod. */}}

{{/* The environment: what the chart decides, then the settings, then what else is wished. */}}
{{- define "tenyson.environment" -}}
{{- range $name, $field := dict "POD_NAME" "metadata.name" "POD_NAMESPACE" "metadata.namespace" "POD_IP" "status.podIP" -}}
- name: {{ $name }}
  valueFrom: {fieldRef: {fieldPath: {{ $field }}}}
{{ end -}}
- name: HOME
  value: /tmp
- name: TMPDIR
  value: /tmp
- name: TENYSON_LEASE_NAME
  value: {{ include "tenyson.controller" . }}
{{- with .Values.watchNamespaces }}
- name: TENYSON_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
{{- if not .Values.runtime.create }}
- name: TENYSON_RUNNER_IMAGE
  value: {{ include "tenyson.image" (list . .Values.runtime.image) }}
{{- end }}
{{- if .Values.certManager.enabled }}
- name: TENYSON_PROGRESS_CERT_DIR
  value: /etc/tenyson/progress
{{- else }}
- name: TENYSON_PROGRESS_CERT_SECRET
  value: {{ include "tenyson.certificateSecret" . }}
{{- end }}
- name: TENYSON_PROGRESS_ADVERTISE
  value: {{ include "tenyson.progressHost" . | quote }}
- name: TENYSON_PROGRESS_ADVERTISE_PORT
  value: {{ .Values.settings.progressAdvertisePort | default (include "tenyson.progressServicePort" .) | int | quote }}
{{- range $name, $value := omit .Values.settings "progressAdvertise" "progressAdvertisePort" }}
- name: TENYSON_{{ $name | snakecase | upper }}
  {{- /* A number comes as a float, which prints large ones with an exponent. */}}
  value: {{ (kindIs "float64" $value) | ternary ($value | toJson) (toString $value) | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Where the pods go. */}}
{{- define "tenyson.placement" -}}
{{- $own := include "tenyson.selectorLabels" (list . "controller") | fromYaml -}}
affinity:
{{- if .Values.affinity }}
  {{- toYaml .Values.affinity | nindent 2 }}
{{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {{- toYaml $own | nindent 12 }}
{{- end }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
{{- range . }}
{{- $all := dict "labelSelector" (dict "matchLabels" $own) }}
- {{- toYaml (merge (deepCopy .) $all) | nindent 2 }}
{{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}
