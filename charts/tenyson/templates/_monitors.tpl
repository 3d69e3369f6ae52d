{{/* Parts of the two kinds of monitors, and of the alerts. */}}

{{- define "tenyson.endpoint" -}}
port: metrics
path: /metrics
{{- with .interval }}
interval: {{ . }}
{{- end }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings: {{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}

{{/*
An alert's expression for this release alone: several controllers in a cluster, each for its own
namespaces, must not be added up. Give it (list . "expression").
*/}}
{{- define "tenyson.ofThisRelease" -}}
{{- $root := index . 0 -}}
{{- $own := printf "namespace=%q, pod=~%q" $root.Release.Namespace (printf "%s-.+" (include "tenyson.controller" $root)) -}}
{{- $labelled := regexReplaceAll "(tenyson_[a-z_]+)\\{" (index . 1) (printf "${1}{%s, " $own) -}}
{{- regexReplaceAll "(tenyson_[a-z_]+)([^a-z_{]|$)" $labelled (printf "${1}{%s}${2}" $own) -}}
{{- end }}
