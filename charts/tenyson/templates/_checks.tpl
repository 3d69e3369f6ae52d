{{/* What the schema cannot refuse: values that do not go together. */}}
{{- define "tenyson.checks" -}}
{{- $settings := .Values.settings -}}
{{- if lt (subf $settings.leaseSeconds $settings.leaseRenewSeconds) 5.0 -}}
{{- fail (printf "settings.leaseSeconds is %v and settings.leaseRenewSeconds %v; the first must be 5 more at least, so that an old leader's last write has ended before another leads." $settings.leaseSeconds $settings.leaseRenewSeconds) -}}
{{- end -}}
{{- if ge (float64 $settings.leaseRetrySeconds) (float64 $settings.leaseRenewSeconds) -}}
{{- fail (printf "settings.leaseRetrySeconds is %v; it must be less than settings.leaseRenewSeconds, %v." $settings.leaseRetrySeconds $settings.leaseRenewSeconds) -}}
{{- end -}}
{{- if and (not $settings.leaderElection) (gt (int .Values.replicaCount) 1) -}}
{{- fail (printf "settings.leaderElection is false and replicaCount is %v; without an election there must never be two. Set replicaCount to 1." .Values.replicaCount) -}}
{{- end -}}
{{- if and .Values.postgresql.embedded .Values.telemetry.databaseSecretRef.name -}}
{{- fail (printf "postgresql.embedded is true and telemetry.databaseSecretRef.name is %q: that is two databases. Leave one out." .Values.telemetry.databaseSecretRef.name) -}}
{{- end -}}
{{- if and .Values.postgresql.embedded (eq .Values.telemetry.databaseSecretRef.key "password") -}}
{{- fail "telemetry.databaseSecretRef.key is \"password\", under which postgresql.embedded keeps the password itself; choose another, such as \"url\"." -}}
{{- end -}}
{{- $test := .Values.test -}}
{{- if and $test.enabled $test.namespace .Values.watchNamespaces (not (has $test.namespace .Values.watchNamespaces)) -}}
{{- fail (printf "test.namespace is %q, which watchNamespaces does not name: nobody would run the job of `helm test`. Name it there, or leave test.namespace empty." $test.namespace) -}}
{{- end -}}
{{- end }}
