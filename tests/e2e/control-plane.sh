#!/usr/bin/env bash
# Prints the folder with the programs of a control plane. Those of envtest (KUBEBUILDER_ASSETS) are taken where that is
# set; what is missing there is built from pinned modules, once per version.
set -euo pipefail
cd "$(dirname "$0")/control-plane"

version="$(sed -n 's|^\tk8s.io/kubernetes \(v[^ ]*\).*|\1|p' go.mod)"
folder="${VOLCHECK_CI_CACHE:-$HOME/.cache/volcheck-ci}/control-plane-$version-$(sha256sum go.sum | cut -c1-8)"
mkdir -p "$folder"
minor="${version#v1.}"
minor="${minor%%.*}"
part='k8s.io/component-base/version'
flags="-s -w -X $part.gitVersion=$version -X $part.gitMajor=1 -X $part.gitMinor=$minor"

program() {
    local name="$1" package="$2"
    if [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ -x "$KUBEBUILDER_ASSETS/$name" ]; then
        ln -sf "$KUBEBUILDER_ASSETS/$name" "$folder/$name"
    elif [ -L "$folder/$name" ] || [ ! -x "$folder/$name" ]; then
        echo "building $name $version" >&2
        rm -f "$folder/$name"
        CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "$flags" -o "$folder/$name.new" "$package" >&2
        mv "$folder/$name.new" "$folder/$name"
    fi
}

for name in kube-apiserver kube-controller-manager kubectl; do
    program "$name" "k8s.io/kubernetes/cmd/$name"
done
program etcd go.etcd.io/etcd/server/v3
echo "$folder"
