{{- /* Labels that select the pods of the daemon, and no pod of the operator. */ -}}
{{- define "outfitter.buildkitSelector" -}}
app.kubernetes.io/name: {{ include "outfitter.name" . }}-buildkit
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "outfitter.buildkitLabels" -}}
{{ include "outfitter.buildkitSelector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: outfitter
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- include "outfitter.commonLabels" . }}
{{- end }}

{{- define "outfitter.buildkitImage" -}}
{{- with .Values.buildkit.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "outfitter.buildkitConfig" -}}
{{- with .Values.buildkit -}}
root = "/outfitter/state"
[grpc]
address = ["tcp://:1234", "unix:///outfitter/run/buildkitd.sock"]
{{- if .tlsSecret }}
[grpc.tls]
cert = "/outfitter/tls/tls.crt"
key = "/outfitter/tls/tls.key"
ca = "/outfitter/tls/ca.crt"
{{- end }}
[worker.oci]
max-parallelism = {{ .maxParallelism }}
[worker.containerd]
enabled = false
[cdi]
disabled = true
[frontend."gateway.v0"]
enabled = {{ not (empty .frontends) }}
allowedRepositories = {{ .frontends | toJson }}
{{- range .plainRegistries }}
[registry.{{ . | toJson }}]
http = true
{{- end }}
{{- end -}}
{{- end }}
