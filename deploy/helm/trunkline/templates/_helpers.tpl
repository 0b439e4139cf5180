{{/* Names and what both tiers have in common. */}}

{{- define "trunkline.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 42 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 42 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 42 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What chooses the pods of one tier: (dict "root" $ "component" "interface"). */}}
{{- define "trunkline.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{/* Redis has a name of its own, so that what chooses both tiers does not choose it. */}}
{{- define "trunkline.redisSelector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}-redis
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "trunkline.labels" -}}
{{ include "trunkline.selector" . }}
{{ include "trunkline.commonLabels" .root }}
{{- end -}}

{{- define "trunkline.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "trunkline.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "trunkline.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "trunkline.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* The Secret with Redis' URL; says what to do where it is named not at all, or twice. */}}
{{- define "trunkline.redisSecret" -}}
{{- $ways := list -}}
{{- if .Values.redis.url }}{{ $ways = append $ways "redis.url" }}{{ end -}}
{{- if .Values.redis.existingSecret }}{{ $ways = append $ways "redis.existingSecret" }}{{ end -}}
{{- if .Values.redis.bundled.enabled }}{{ $ways = append $ways "redis.bundled.enabled" }}{{ end -}}
{{- if eq (len $ways) 0 -}}
{{- fail "no Redis: set redis.url, or redis.existingSecret to the name of a Secret that holds the URL, or redis.bundled.enabled to true" -}}
{{- else if gt (len $ways) 1 -}}
{{- fail (printf "which Redis? %s are set; set one of them" (join " and " $ways)) -}}
{{- end -}}
{{- .Values.redis.existingSecret | default (printf "%s-redis" (include "trunkline.fullname" .)) -}}
{{- end -}}

{{- define "trunkline.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "trunkline.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Variables of both tiers. */}}
{{- define "trunkline.env" -}}
{{- $tier := index .root.Values .component -}}
- name: TRUNKLINE_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "trunkline.redisSecret" .root }}
      key: {{ if .root.Values.redis.existingSecret }}{{ .root.Values.redis.existingSecretKey }}{{ else }}url{{ end }}
- name: TRUNKLINE_PREFIX
  value: {{ .root.Values.prefix | quote }}
- name: TRUNKLINE_ADMIN_HOST
  value: {{ .root.Values.bindAddress | quote }}
- name: TRUNKLINE_ADMIN_PORT
  value: "9000"
- name: TRUNKLINE_DRAIN_S
  value: {{ $tier.drainSeconds | quote }}
{{- range $name, $value := $tier.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- with $tier.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "trunkline.probes" -}}
# Started when its admin server answers; until then the others do not ask.
startupProbe:
  httpGet: {path: /live, port: admin}
  periodSeconds: 1
  timeoutSeconds: 3
  failureThreshold: 60
# Killed when its event loop has not answered for half a minute. A Redis that is away is no reason.
livenessProbe:
  httpGet: {path: /live, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
# Not ready while it starts, drains, is fenced or has no Redis: gets no newcomers, keeps its sockets.
readinessProbe:
  httpGet: {path: /ready, port: admin}
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 2
{{- end -}}

{{/* What stands in the pod besides its container. */}}
{{- define "trunkline.pod" -}}
{{- $tier := index .root.Values .component -}}
serviceAccountName: {{ include "trunkline.serviceAccountName" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "trunkline.podSecurity" . | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $tier.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $tier.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $tier.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $tier.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .root.Values.topologySpread }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "trunkline.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end -}}

{{/* Annotations of the pods: a new URL has to start them anew. */}}
{{- define "trunkline.podAnnotations" -}}
{{- $tier := index .root.Values .component -}}
{{- with .root.Values.redis.url }}
checksum/redis-url: {{ sha256sum . | trunc 16 | quote }}
{{- end }}
{{- with $tier.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "trunkline.pdb" -}}
{{- $tier := index .root.Values .component -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "trunkline.fullname" .root }}-{{ .component }}
  labels:
    {{- include "trunkline.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ $tier.pdb.maxUnavailable }}
  # A pod that is not ready protects nobody, and would stop a node from being drained.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "trunkline.selector" . | nindent 6 }}
{{- end -}}
