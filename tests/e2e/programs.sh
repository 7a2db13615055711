#!/usr/bin/env bash
# Builds the programs of a Go module next to this file, once per version. Prints their directory.
#
# Modules: `control-plane`, `oldest` (only the API server) and `cert-manager` (with its CRDs). If
# KUBEBUILDER_ASSETS is set, `control-plane` uses the programs of envtest and builds only the
# missing ones.
#
#     tests/e2e/programs.sh MODULE
set -euo pipefail
shopt -s nullglob
module="$1"
cd "$(dirname "$0")/$module"

name=k8s.io/kubernetes
[ "$module" != cert-manager ] || name=github.com/cert-manager/cert-manager
version="$(go list -mod=readonly -m -f '{{.Version}}' "$name")"
dir="${VOLCHECK_CI_CACHE:-$HOME/.cache/volcheck-ci}/$module-$version-$(cat go.sum ./*.go | sha256sum | cut -c1-8)"
mkdir -p "$dir"
minor="${version#v1.}"
minor="${minor%%.*}"
part='k8s.io/component-base/version'
flags='-s -w'
[ "$module" = cert-manager ] || flags="$flags -X $part.gitVersion=$version -X $part.gitMajor=1 -X $part.gitMinor=$minor"
prebuilt="${KUBEBUILDER_ASSETS:-}"
[ "$module" = control-plane ] || prebuilt=''

program() {
    local name="$1" package="$2"
    if [ -n "$prebuilt" ] && [ -x "$prebuilt/$name" ]; then
        ln -sf "$prebuilt/$name" "$dir/$name"
    elif [ -L "$dir/$name" ] || [ ! -x "$dir/$name" ]; then
        echo "building $name $version" >&2
        rm -f "$dir/$name"
        CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "$flags" -o "$dir/$name.new" "$package" >&2
        mv "$dir/$name.new" "$dir/$name"
    fi
}

case "$module" in
    cert-manager)
        program cert-manager .
        if [ ! -d "$dir/crds" ]; then
            go mod download "$name"
            rm -rf "$dir/crds.new"
            mkdir "$dir/crds.new"
            cp "$(go list -mod=readonly -m -f '{{.Dir}}' "$name")"/deploy/crds/*.yaml "$dir/crds.new"
            mv "$dir/crds.new" "$dir/crds"
        fi
        ;;
    control-plane)
        program kube-controller-manager k8s.io/kubernetes/cmd/kube-controller-manager
        program kubectl k8s.io/kubernetes/cmd/kubectl
        program etcd go.etcd.io/etcd/server/v3
        ;;&
    *)
        program kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
        ;;
esac
echo "$dir"
