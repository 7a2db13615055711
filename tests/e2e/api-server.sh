# shellcheck shell=bash
# Functions that run etcd and an API server on this host, without controllers. Sourced by other
# scripts.

# api_server ETCD API_SERVER DIR ETCD_PORT PORT: starts both programs in the background and stores
# their process ids in the array `started`. The user of the token `admin-token` has all rights.
api_server() {
    local etcd="$1" api_server="$2" dir="$3" store="http://127.0.0.1:$4" port="$5"
    started=()
    "$etcd" --data-dir="$dir/etcd" --unsafe-no-fsync --listen-client-urls="$store" --advertise-client-urls="$store" \
        --listen-peer-urls=http://127.0.0.1:0 > "$dir/etcd.log" 2>&1 &
    started+=($!)
    openssl ecparam -name prime256v1 -genkey -noout -out "$dir/accounts.key"
    openssl ec -in "$dir/accounts.key" -pubout -out "$dir/accounts.pub" 2> /dev/null
    echo 'admin-token,admin,1,"system:masters"' > "$dir/tokens.csv"
    "$api_server" --etcd-servers="$store" --cert-dir="$dir/pki" --bind-address=127.0.0.1 --secure-port="$port" \
        --endpoint-reconciler-type=none --service-cluster-ip-range=10.0.0.0/24,fd00::/112 \
        --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$dir/accounts.pub" \
        --service-account-signing-key-file="$dir/accounts.key" --token-auth-file="$dir/tokens.csv" \
        --authorization-mode=RBAC > "$dir/kube-apiserver.log" 2>&1 &
    started+=($!)
}

# wait_ready DIR KUBECTL…: waits until the API server with the data directory DIR is ready. If it is
# not ready after a minute, prints the end of its log and fails.
wait_ready() {
    local dir="$1" tries
    shift
    for ((tries = 0; tries < 600; tries++)); do
        [ "$("$@" get --raw /readyz 2> /dev/null)" = ok ] && return
        sleep 0.1
    done
    tail -20 "$dir/kube-apiserver.log"
    return 1
}
