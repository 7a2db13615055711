#!/usr/bin/env python3
"""Makes an image of one program, as an archive of an OCI image layout.

    layout.py PROGRAM ARCHIVE ARCHITECTURE

The format: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md. No time and no name of the machine
is in it, so that the same program gives the same bytes.
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
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755 if name == "volcheck" else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def blob(content):
    digest = hashlib.sha256(content).hexdigest()
    blobs[f"blobs/sha256/{digest}"] = content
    return {"digest": f"sha256:{digest}", "size": len(content)}


def text(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


blobs = {}
layer = blob(tar([("volcheck", program.read_bytes())]))
config = blob(text({
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
    # Not compressed, so that the digest is the content's own.
    "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
}))
kind = "application/vnd.oci.image."
manifest = blob(text({
    "schemaVersion": 2,
    "mediaType": kind + "manifest.v1+json",
    "config": {"mediaType": kind + "config.v1+json", **config},
    "layers": [{"mediaType": kind + "layer.v1.tar", **layer}],
}))
index = text({
    "schemaVersion": 2,
    "mediaType": kind + "index.v1+json",
    "manifests": [{
        "mediaType": kind + "manifest.v1+json",
        **manifest,
        "platform": {"architecture": architecture, "os": "linux"},
        "annotations": {"org.opencontainers.image.ref.name": version, "io.containerd.image.name": f"docker.io/library/volcheck:{version}"},
    }],
})
archive.write_bytes(tar([("oci-layout", text({"imageLayoutVersion": "1.0.0"})), ("index.json", index), *sorted(blobs.items())]))
print(f"{archive}: volcheck:{version} {manifest['digest']}")
