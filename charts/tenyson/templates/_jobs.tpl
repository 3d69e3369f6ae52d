{{/* The pods that the chart itself runs for a moment: the controller's image with another command. */}}

{{/* Pod spec up to the container's own part. */}}
{{- define "tenyson.commandPod" -}}
restartPolicy: Never
enableServiceLinks: false
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}

{{/* The container's part that is always the same. */}}
{{- define "tenyson.commandContainer" -}}
image: {{ include "tenyson.image" (list . .Values.image) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
resources: {{- toYaml .Values.hooks.resources | nindent 2 }}
securityContext: {{- toYaml .Values.securityContext | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
{{- end }}

{{- define "tenyson.commandEnvironment" -}}
- name: HOME
  value: /tmp
- name: TMPDIR
  value: /tmp
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
