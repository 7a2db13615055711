#!/usr/bin/env python3
"""Packs a binary into a container image, as an archive in the OCI image layout.

    layout.py PROGRAM ARCHIVE MACHINE

MACHINE is the architecture, as printed by `uname -m`. The archive contains no timestamps or host
names, so that the same binary produces the same bytes. For the format, see
https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
"""

import hashlib
import io
import json
import pathlib
import sys
import tarfile
import tomllib

program, archive, machine = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
version = tomllib.loads(pathlib.Path("Cargo.toml").read_text())["package"]["version"]
architecture = {"x86_64": "amd64", "aarch64": "arm64"}[machine]


def tar(files):
    """Returns a tar archive of `files`, a list of pairs of name and content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as out:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755 if name == "volcheck" else 0o644
            out.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def add_blob(content):
    """Adds a blob to the layout and returns its descriptor, without the media type."""
    digest = hashlib.sha256(content).hexdigest()
    blobs[f"blobs/sha256/{digest}"] = content
    return {"digest": f"sha256:{digest}", "size": len(content)}


def to_json(value):
    """Encodes a value as JSON without spaces and with sorted keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


blobs = {}
layer = add_blob(tar([("volcheck", program.read_bytes())]))
config = add_blob(to_json({
    "architecture": architecture,
    "os": "linux",
    "config": {
        "User": "65532:65532",
        "Entrypoint": ["/volcheck"],
        "Labels": {
            "org.opencontainers.image.title": "volcheck",
            "org.opencontainers.image.version": version,
            "org.opencontainers.image.licenses": "Apache-2.0",
        },
    },
    # The layer is not compressed, so its digest is also its diff ID.
    "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
}))
media_type = "application/vnd.oci.image."
manifest = add_blob(to_json({
    "schemaVersion": 2,
    "mediaType": media_type + "manifest.v1+json",
    "config": {"mediaType": media_type + "config.v1+json", **config},
    "layers": [{"mediaType": media_type + "layer.v1.tar", **layer}],
}))
index = to_json({
    "schemaVersion": 2,
    "mediaType": media_type + "index.v1+json",
    "manifests": [{
        "mediaType": media_type + "manifest.v1+json",
        **manifest,
        "platform": {"architecture": architecture, "os": "linux"},
        "annotations": {
            "org.opencontainers.image.ref.name": version,
            "io.containerd.image.name": f"docker.io/library/volcheck:{version}",
        },
    }],
})
layout = ("oci-layout", to_json({"imageLayoutVersion": "1.0.0"}))
archive.write_bytes(tar([layout, ("index.json", index), *sorted(blobs.items())]))
print(f"{archive}: volcheck:{version} {manifest['digest']}")
