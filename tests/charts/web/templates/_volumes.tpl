{{- define "web.volumes" -}}
- name: certificates
  hostPath:
    path: {{ .Values.certificates }}
    type: Directory
{{- if .Values.sidecar.enabled }}
- name: sockets
  hostPath:
    path: {{ .Values.sidecar.socketDir }}
{{- end }}
{{- end -}}

{{- define "web.mounts" -}}
- name: certificates
  mountPath: /certificates
- name: sockets
  mountPath: /sockets
{{- end -}}

{{- define "web.job" -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ .Release.Name }}-backup
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
          - name: backup
            image: backup:1
            volumeMounts:
            - {name: data, mountPath: /data}
          volumes:
          - name: data
            hostPath: {path: /var/lib/postgresql}
{{- end -}}
