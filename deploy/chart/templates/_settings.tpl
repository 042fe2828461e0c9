{{- define "outfitter.settings" -}}
- name: OUTFITTER_SYSTEM_NAMESPACE
  {{- if .Values.sharedNamespace }}
  value: {{ .Values.sharedNamespace | quote }}
  {{- else }}
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
  {{- end }}
- name: OUTFITTER_WATCH_NAMESPACES
  value: {{ join "," .Values.watchNamespaces | quote }}
- name: OUTFITTER_DOMAIN
  value: {{ include "outfitter.text" .Values.settings.domain | quote }}
- name: OUTFITTER_INGRESS_CLASS
  value: {{ include "outfitter.text" .Values.settings.ingressClass | quote }}
- name: OUTFITTER_INGRESS_TLS
  value: {{ include "outfitter.text" .Values.settings.ingressTls | quote }}
- name: OUTFITTER_INGRESS_AUTH_ANNOTATIONS
  value: {{ include "outfitter.text" .Values.settings.ingressAuthAnnotations | quote }}
- name: OUTFITTER_ALLOWED_METADATA
  value: {{ include "outfitter.text" .Values.settings.allowedMetadata | quote }}
- name: OUTFITTER_HOME_DIR
  value: {{ include "outfitter.text" .Values.settings.homeDir | quote }}
- name: OUTFITTER_NFS_BACKEND
  value: {{ include "outfitter.text" .Values.settings.nfsBackend | quote }}
- name: OUTFITTER_NODE_TYPE_LABEL
  value: {{ include "outfitter.text" .Values.settings.nodeTypeLabel | quote }}
- name: OUTFITTER_NODE_POOL_LABEL
  value: {{ include "outfitter.text" .Values.settings.nodePoolLabel | quote }}
- name: OUTFITTER_GPU_BACKEND
  value: {{ include "outfitter.text" .Values.settings.gpuBackend | quote }}
- name: OUTFITTER_GPU_DEVICE_CLASS
  value: {{ include "outfitter.text" .Values.settings.gpuDeviceClass | quote }}
- name: OUTFITTER_MIG_DEVICE_CLASS
  value: {{ include "outfitter.text" .Values.settings.migDeviceClass | quote }}
- name: OUTFITTER_MIG_STRATEGY
  value: {{ include "outfitter.text" .Values.settings.migStrategy | quote }}
- name: OUTFITTER_QUEUE_BACKEND
  value: {{ include "outfitter.text" .Values.settings.queueBackend | quote }}
- name: OUTFITTER_DEFAULT_QUEUE
  value: {{ include "outfitter.text" .Values.settings.defaultQueue | quote }}
- name: OUTFITTER_SCHEDULER_NAME
  value: {{ include "outfitter.text" .Values.settings.schedulerName | quote }}
- name: OUTFITTER_PRIORITY_CLASSES
  value: {{ include "outfitter.text" .Values.settings.priorityClasses | quote }}
- name: OUTFITTER_IDENTITY_POLICY
  value: {{ include "outfitter.identityPolicy" . | quote }}
- name: OUTFITTER_IDENTITY_UID_KEY
  value: {{ .Values.identity.extraKeys.uid | quote }}
- name: OUTFITTER_IDENTITY_GID_KEY
  value: {{ .Values.identity.extraKeys.gid | quote }}
- name: OUTFITTER_IDENTITY_GROUPS_KEY
  value: {{ .Values.identity.extraKeys.groups | quote }}
- name: OUTFITTER_ACTIVITY_IMAGE
  value: {{ include "outfitter.text" .Values.settings.activityImage | default (include "outfitter.image" .) | quote }}
- name: OUTFITTER_GIT_IMAGE
  value: {{ include "outfitter.text" .Values.settings.gitImage | quote }}
- name: OUTFITTER_GIT_KNOWN_HOSTS
  value: {{ include "outfitter.text" .Values.settings.gitKnownHosts | quote }}
- name: OUTFITTER_GIT_TIMEOUT_SECONDS
  value: {{ include "outfitter.text" .Values.settings.gitTimeoutSeconds | quote }}
- name: OUTFITTER_S3_IMAGE
  value: {{ include "outfitter.text" .Values.settings.s3Image | quote }}
- name: OUTFITTER_S3_TIMEOUT_SECONDS
  value: {{ include "outfitter.text" .Values.settings.s3TimeoutSeconds | quote }}
- name: OUTFITTER_S3_BACKEND
  value: {{ include "outfitter.text" .Values.settings.s3Backend | quote }}
- name: OUTFITTER_S3_DRIVER
  value: {{ include "outfitter.text" .Values.settings.s3Driver | quote }}
- name: OUTFITTER_S3_BUCKETS
  value: {{ include "outfitter.text" .Values.settings.s3Buckets | quote }}
- name: OUTFITTER_DATA_SIZE_LIMIT
  value: {{ include "outfitter.text" .Values.settings.dataSizeLimit | quote }}
- name: OUTFITTER_DATA_AUTHORITIES
  value: {{ include "outfitter.text" .Values.settings.dataAuthorities | quote }}
- name: OUTFITTER_BUILD_BACKEND
  value: {{ include "outfitter.text" .Values.settings.buildBackend | quote }}
- name: OUTFITTER_BUILDKIT_ADDRESS
  value: {{ include "outfitter.text" .Values.settings.buildkitAddress | quote }}
- name: OUTFITTER_BUILDKIT_CREDENTIAL
  value: {{ include "outfitter.text" .Values.settings.buildkitCredential | quote }}
- name: OUTFITTER_BUILD_IMAGE
  value: {{ include "outfitter.text" .Values.settings.buildImage | quote }}
- name: OUTFITTER_BUILD_TEMPLATE
  value: {{ include "outfitter.text" .Values.settings.buildTemplate | quote }}
- name: OUTFITTER_BUILD_REPOSITORY
  value: {{ include "outfitter.text" .Values.settings.buildRepository | quote }}
- name: OUTFITTER_BUILD_CACHE
  value: {{ include "outfitter.text" .Values.settings.buildCache | quote }}
- name: OUTFITTER_BUILD_RESOURCES
  value: {{ include "outfitter.text" .Values.settings.buildResources | quote }}
- name: OUTFITTER_BUILD_SIZE_LIMIT
  value: {{ include "outfitter.text" .Values.settings.buildSizeLimit | quote }}
- name: OUTFITTER_BUILD_TIMEOUT_SECONDS
  value: {{ include "outfitter.text" .Values.settings.buildTimeoutSeconds | quote }}
- name: OUTFITTER_BUILDS_AT_ONCE
  value: {{ include "outfitter.text" .Values.settings.buildsAtOnce | quote }}
- name: OUTFITTER_NIM_VOLUME_SIZE
  value: {{ include "outfitter.text" .Values.settings.nimVolumeSize | quote }}
- name: OUTFITTER_NIM_CACHE_GRACE_SECONDS
  value: {{ include "outfitter.text" .Values.settings.nimCacheGraceSeconds | quote }}
- name: OUTFITTER_NIM_DOWNLOAD_SECONDS
  value: {{ include "outfitter.text" .Values.settings.nimDownloadSeconds | quote }}
- name: OUTFITTER_STATIC_PV_DRIVERS
  value: {{ include "outfitter.text" .Values.settings.staticPvDrivers | quote }}
- name: OUTFITTER_SHARED_ROLES
  value: {{ include "outfitter.text" .Values.settings.sharedRoles | quote }}
- name: OUTFITTER_REGISTRY_HOSTS
  value: {{ include "outfitter.text" .Values.settings.registryHosts | quote }}
- name: OUTFITTER_REGISTRY_SECONDS
  value: {{ include "outfitter.text" .Values.settings.registrySeconds | quote }}
- name: OUTFITTER_IMAGE_QUERY_SECONDS
  value: {{ include "outfitter.text" .Values.settings.imageQuerySeconds | quote }}
- name: OUTFITTER_IMAGE_WATCH_SECONDS
  value: {{ include "outfitter.text" .Values.settings.imageWatchSeconds | quote }}
- name: OUTFITTER_WORKERS
  value: {{ include "outfitter.text" .Values.settings.workers | quote }}
- name: OUTFITTER_MAX_REQUESTS
  value: {{ include "outfitter.text" .Values.settings.maxRequests | quote }}
- name: OUTFITTER_RESYNC_SECONDS
  value: {{ include "outfitter.text" .Values.settings.resyncSeconds | quote }}
- name: OUTFITTER_HOLD_SECONDS
  value: {{ include "outfitter.text" .Values.settings.holdSeconds | quote }}
- name: OUTFITTER_USED_BY_SECONDS
  value: {{ include "outfitter.text" .Values.settings.usedBySeconds | quote }}
- name: OUTFITTER_LEASE_NAME
  value: {{ include "outfitter.text" .Values.settings.leaseName | quote }}
- name: OUTFITTER_LEASE_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: OUTFITTER_REPLACED_INSTALLATIONS
  value: {{ include "outfitter.text" .Values.settings.replacedInstallations | quote }}
- name: OUTFITTER_LEASE_SECONDS
  value: {{ include "outfitter.text" .Values.settings.leaseSeconds | quote }}
- name: OUTFITTER_PROBE_PORT
  value: {{ include "outfitter.text" .Values.settings.probePort | quote }}
- name: OUTFITTER_PROBE_HOST
  value: {{ include "outfitter.text" .Values.settings.probeHost | quote }}
- name: OUTFITTER_OBJECT_METRICS
  value: {{ include "outfitter.text" .Values.settings.objectMetrics | quote }}
- name: OUTFITTER_TRACING
  value: {{ include "outfitter.text" .Values.settings.tracing | quote }}
- name: OUTFITTER_KUBECONFIG
  value: {{ include "outfitter.text" .Values.settings.kubeconfig | quote }}
- name: OUTFITTER_IDENTITY
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: OUTFITTER_LOG_FORMAT
  value: {{ include "outfitter.text" .Values.settings.logFormat | quote }}
- name: OUTFITTER_LOG_LEVEL
  value: {{ include "outfitter.text" .Values.settings.logLevel | quote }}
{{- end }}
