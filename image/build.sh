#!/usr/bin/env bash
# Builds the container image: a static binary in an OCI image layout. No registry or container
# engine is needed, and the same source and toolchain produce the same bytes.
#
#     image/build.sh              builds target/image/volcheck and target/image/volcheck.oci.tar
#     image/build.sh --program    builds only target/image/volcheck
#
# Requires Python, and Rust with the GNU/Linux target of this machine. image/README.md describes how
# to push or load the archive.
set -euo pipefail
cd "$(dirname "$0")/.."

arch="$(uname -m)"
target="$arch-unknown-linux-gnu"
# The paths of the build machine must not appear in the binary.
flags=(-Ctarget-feature=+crt-static "--remap-path-prefix=$PWD=/volcheck" "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo")
RUSTFLAGS="${flags[*]}" cargo build --release --locked --quiet --target "$target" --bin volcheck
mkdir -p target/image
cp "target/$target/release/volcheck" target/image/volcheck
[ "${1:-}" = --program ] || python3 image/layout.py target/image/volcheck target/image/volcheck.oci.tar "$arch"
