{{- define "outfitter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 53 | trimSuffix "-" -}}
{{- end }}

{{- define "outfitter.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- else if contains (include "outfitter.name" .) .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "outfitter.name" .) | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- /* The name of an object of the whole cluster: two releases of one name, in two namespaces, must not share it. */ -}}
{{- define "outfitter.clusterName" -}}
{{- if eq .Release.Namespace "outfitter-system" -}}
{{- include "outfitter.fullname" . -}}
{{- else -}}
{{- printf "%s-%s" .Release.Namespace (include "outfitter.fullname" .) -}}
{{- end -}}
{{- end }}

{{- /* The defaults of this chart, for values that are null, or that `helm upgrade --reuse-values` took from an older
chart. In the last three, null removes a field. Every template includes it first. */ -}}
{{- define "outfitter.defaults" -}}
{{- $defaults := .Files.Get "files/values.yaml" | fromYaml -}}
{{- include "outfitter.fill" (list .Values (omit $defaults "resources" "podSecurityContext" "securityContext")) -}}
{{- end }}

{{- define "outfitter.fill" -}}
{{- $values := index . 0 -}}
{{- range $key, $default := index . 1 -}}
{{- $value := index $values $key -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := set $values $key $default -}}
{{- else if and (kindIs "map" $default) (kindIs "map" $value) -}}
{{- include "outfitter.fill" (list $value $default) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "outfitter.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "outfitter.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: name an existing ServiceAccount, or set serviceAccount.create to true" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- /* Labels that select the pods. They are fixed, because the selector of a Deployment is immutable. */ -}}
{{- define "outfitter.selector" -}}
app.kubernetes.io/name: {{ include "outfitter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "outfitter.podLabels" -}}
{{ include "outfitter.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: outfitter
{{- end }}

{{- define "outfitter.labels" -}}
{{ include "outfitter.podLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- include "outfitter.commonLabels" . }}
{{- end }}

{{- /* Labels of the user, which do not replace those of the chart. The chart of the CRDs has no such value. */ -}}
{{- define "outfitter.commonLabels" -}}
{{- range $name, $value := .Values.commonLabels }}
{{- if not (regexMatch "^(app\\.kubernetes\\.io/(name|instance|version|part-of|component|managed-by)|helm\\.sh/chart)$" $name) }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The labels of an object with labels of its own: those replace the others. */ -}}
{{- define "outfitter.labelsWith" -}}
{{- merge (dict) (index . 1) (include "outfitter.labels" (index . 0) | fromYaml) | toYaml }}
{{- end }}

{{- define "outfitter.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{- /* A setting as text. Helm parses numbers as floats and prints large ones as 1e+06. */ -}}
{{- define "outfitter.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- printf "%.0f" . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end }}

{{- /* The account of the operator, as the API server calls it. */ -}}
{{- define "outfitter.account" -}}
{{- printf "system:serviceaccount:%s:%s" .Release.Namespace (include "outfitter.serviceAccount" .) -}}
{{- end }}

{{- /* Which namespaces an admission policy judges. Another installation may serve the other namespaces, with an account
that this one does not know. */ -}}
{{- define "outfitter.judgedNamespaces" -}}
{{- with include "outfitter.namespaces" . | fromJsonArray -}}
matchResources:
  namespaceSelector:
    matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: In
        values: {{ append . $.Release.Namespace | uniq | sortAlpha | toJson }}
{{- end -}}
{{- end }}

{{- /* The name of the policy that stamps authors. */ -}}
{{- define "outfitter.identityPolicy" -}}
{{- printf "%s-identity" (include "outfitter.clusterName" .) -}}
{{- end }}

{{- /* The namespace of shared assets. */ -}}
{{- define "outfitter.sharedNamespace" -}}
{{- .Values.sharedNamespace | default .Release.Namespace -}}
{{- end }}

{{- /* The namespaces to watch, with that of shared assets; an empty list for all namespaces. */ -}}
{{- define "outfitter.namespaces" -}}
{{- if .Values.watchNamespaces -}}
{{- append .Values.watchNamespaces (include "outfitter.sharedNamespace" .) | uniq | sortAlpha | toJson -}}
{{- else -}}
[]
{{- end -}}
{{- end }}

{{- /* The generated rules with the name of the Lease. */ -}}
{{- define "outfitter.rules" -}}
{{- tpl (.Files.Get "files/rules.yaml") . -}}
{{- end }}
