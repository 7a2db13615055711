# shellcheck shell=bash
# Starts the Pod Security webhook of Kubernetes on port 11253, with an API server from which it
# reads namespaces. Sourced by benches/webhook.sh, which sets `work` and `servers`. Sets `peer` to
# the process id of the webhook.

: "${work:?}"
programs="$(tests/e2e/programs.sh control-plane)"
[ -x "$programs/pod-security" ] || (
    cd tests/e2e/control-plane || exit
    CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags '-s -w' -o "$programs/pod-security" k8s.io/pod-security-admission/cmd/webhook
)
. tests/e2e/api-server.sh
api_server "$programs/etcd" "$programs/kube-apiserver" "$work" 12381 16444
servers+=("${started[@]}")
cat > "$work/admin.conf" <<END
apiVersion: v1
kind: Config
current-context: it
clusters: [{ name: it, cluster: { server: "https://127.0.0.1:16444", insecure-skip-tls-verify: true } }]
contexts: [{ name: it, context: { cluster: it, user: admin } }]
users: [{ name: admin, user: { token: admin-token } }]
END
wait_ready "$work" "$programs/kubectl" --kubeconfig "$work/admin.conf" || exit 1
"$programs/kubectl" --kubeconfig "$work/admin.conf" create namespace shop > /dev/null
# The level `baseline` forbids host paths.
cat > "$work/pod-security.yaml" <<'END'
apiVersion: pod-security.admission.config.k8s.io/v1
kind: PodSecurityConfiguration
defaults: { enforce: baseline, enforce-version: latest }
END
"$programs/pod-security" --config "$work/pod-security.yaml" --kubeconfig "$work/admin.conf" --secure-port 11253 \
    --tls-cert-file "$work/certs/tls.crt" --tls-private-key-file "$work/certs/tls.key" > "$work/pod-security.log" 2>&1 &
peer=$!
servers+=("$peer")
for ((tries = 0; tries < 100; tries++)); do
    curl --silent --insecure --output /dev/null https://127.0.0.1:11253/healthz && break
    sleep 0.1
done
[ "$tries" -lt 100 ] || { tail -5 "$work/pod-security.log"; exit 1; }
