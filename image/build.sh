#!/usr/bin/env bash
# The container image, from nothing: a static program and the few lines of JSON that make it an image. No registry and
# no container engine is needed, and the same source by the same toolchain gives the same bytes.
#
#     image/build.sh              target/image/volcheck and target/image/volcheck.oci.tar
#     image/build.sh --program    the program alone
#
# Rust, its target for the machine at hand, and Python are needed. The archive is an OCI image layout:
# `podman load -i`, `docker load -i`, `ctr images import`, `kind load image-archive` and `skopeo copy oci-archive:` take it.
set -euo pipefail
cd "$(dirname "$0")/.."

arch="$(uname -m)"
target="$arch-unknown-linux-gnu"
# Where it is built doesn't show in it.
flags=(-Ctarget-feature=+crt-static "--remap-path-prefix=$PWD=/volcheck" "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo")
RUSTFLAGS="${flags[*]}" cargo build --release --locked --quiet --target "$target" --bin volcheck
mkdir -p target/image
cp "target/$target/release/volcheck" target/image/volcheck
[ "${1:-}" = --program ] || python3 image/layout.py target/image/volcheck target/image/volcheck.oci.tar "$arch"
