# shellcheck shell=bash
# An API server alone, with its etcd, on this host; read by other scripts.

# api_server ETCD API_SERVER FOLDER ETCD_PORT PORT: starts both in the background, and leaves their ids in `started`. The
# token `admin-token` may do everything.
api_server() {
    local etcd="$1" api_server="$2" folder="$3" store="http://127.0.0.1:$4" port="$5"
    started=()
    "$etcd" --data-dir="$folder/etcd" --unsafe-no-fsync --listen-client-urls="$store" --advertise-client-urls="$store" \
        --listen-peer-urls=http://127.0.0.1:0 > "$folder/etcd.log" 2>&1 &
    started+=($!)
    openssl ecparam -name prime256v1 -genkey -noout -out "$folder/accounts.key"
    openssl ec -in "$folder/accounts.key" -pubout -out "$folder/accounts.pub" 2> /dev/null
    echo 'admin-token,admin,1,"system:masters"' > "$folder/tokens.csv"
    "$api_server" --etcd-servers="$store" --cert-dir="$folder/pki" --bind-address=127.0.0.1 --secure-port="$port" \
        --endpoint-reconciler-type=none --service-cluster-ip-range=10.0.0.0/24 \
        --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$folder/accounts.pub" \
        --service-account-signing-key-file="$folder/accounts.key" --token-auth-file="$folder/tokens.csv" \
        --authorization-mode=RBAC > "$folder/kube-apiserver.log" 2>&1 &
    started+=($!)
}

# is_ready FOLDER KUBECTL…: waits for the API server of the folder; shows its log where it doesn't come.
is_ready() {
    local folder="$1" tries
    shift
    for ((tries = 0; tries < 600; tries++)); do
        [ "$("$@" get --raw /readyz 2> /dev/null)" = ok ] && return
        sleep 0.1
    done
    tail -20 "$folder/kube-apiserver.log"
    return 1
}
