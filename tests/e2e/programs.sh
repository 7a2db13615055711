#!/usr/bin/env bash
# Prints the folder with the programs of a module beside this file: `control-plane`; `oldest`, which is the API server
# alone; or `cert-manager`, with the definitions of its kinds. Those of envtest (KUBEBUILDER_ASSETS) are taken for the first
# where that is set; what is missing is built, once per version.
#
#     tests/e2e/programs.sh MODULE
set -euo pipefail
shopt -s nullglob
module="$1"
cd "$(dirname "$0")/$module"

name=k8s.io/kubernetes
[ "$module" != cert-manager ] || name=github.com/cert-manager/cert-manager
version="$(go list -mod=readonly -m -f '{{.Version}}' "$name")"
folder="${VOLCHECK_CI_CACHE:-$HOME/.cache/volcheck-ci}/$module-$version-$(cat go.sum ./*.go | sha256sum | cut -c1-8)"
mkdir -p "$folder"
minor="${version#v1.}"
minor="${minor%%.*}"
part='k8s.io/component-base/version'
flags='-s -w'
[ "$module" = cert-manager ] || flags="$flags -X $part.gitVersion=$version -X $part.gitMajor=1 -X $part.gitMinor=$minor"
given="${KUBEBUILDER_ASSETS:-}"
[ "$module" = control-plane ] || given=''

program() {
    local name="$1" package="$2"
    if [ -n "$given" ] && [ -x "$given/$name" ]; then
        ln -sf "$given/$name" "$folder/$name"
    elif [ -L "$folder/$name" ] || [ ! -x "$folder/$name" ]; then
        echo "building $name $version" >&2
        rm -f "$folder/$name"
        CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "$flags" -o "$folder/$name.new" "$package" >&2
        mv "$folder/$name.new" "$folder/$name"
    fi
}

case "$module" in
    cert-manager)
        program cert-manager .
        if [ ! -d "$folder/crds" ]; then
            go mod download "$name"
            rm -rf "$folder/crds.new"
            mkdir "$folder/crds.new"
            cp "$(go list -mod=readonly -m -f '{{.Dir}}' "$name")"/deploy/crds/*.yaml "$folder/crds.new"
            mv "$folder/crds.new" "$folder/crds"
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
echo "$folder"
