#!/usr/bin/env bash
# Prints the folder with the programs of a control plane, as a module beside this file has them: `control-plane`, or
# `oldest`, which is the API server alone. Those of envtest (KUBEBUILDER_ASSETS) are taken for the first where that is set;
# what is missing there is built, once per version.
#
#     tests/e2e/control-plane.sh [MODULE]
set -euo pipefail
module="${1:-control-plane}"
cd "$(dirname "$0")/$module"

version="$(sed -n 's|^\tk8s.io/kubernetes \(v[^ ]*\).*|\1|p' go.mod)"
folder="${VOLCHECK_CI_CACHE:-$HOME/.cache/volcheck-ci}/control-plane-$version-$(sha256sum go.sum | cut -c1-8)"
mkdir -p "$folder"
minor="${version#v1.}"
minor="${minor%%.*}"
part='k8s.io/component-base/version'
flags="-s -w -X $part.gitVersion=$version -X $part.gitMajor=1 -X $part.gitMinor=$minor"
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

program kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
if [ "$module" = control-plane ]; then
    program kube-controller-manager k8s.io/kubernetes/cmd/kube-controller-manager
    program kubectl k8s.io/kubernetes/cmd/kubectl
    program etcd go.etcd.io/etcd/server/v3
fi
echo "$folder"
