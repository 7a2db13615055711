#!/usr/bin/env python3
"""Compares `volcheck manifest` with the chart, rendered by Helm with the same values.

    manifest.py VOLCHECK CA.crt

Tests each value alone, and combinations of values. If Helm rejects the values, `volcheck manifest`
must reject them with the same message, and otherwise, it must print the same objects. Fails if a
value of the chart is neither tested here nor rejected.
"""

import json
import pathlib
import random
import re
import subprocess
import sys

import yaml

volcheck, ca = sys.argv[1:]
DEFAULTS = yaml.safe_load(open("charts/volcheck/values.yaml"))
SCHEMA = json.load(open("charts/volcheck/values.schema.json"))

# Values by path.
FILE = open(ca).read()
SAMPLES = {
    "mode": ["deny", "off"],
    "policy": [
        {"extends": ["node-agents"], "modes": {"shop": "audit"}},
        {"version": 1, "modes": {"*": "deny"}},
        {"extends": ["./more.yaml"]},
    ],
    "replicas": [1, 3],
    "image.registry": ["registry.example:5000"],
    "image.repository": ["other.example:5000/volcheck"],
    "image.tag": ["1.2.3"],
    "image.digest": ["sha256:" + "0" * 64],
    "image.pullPolicy": ["Always"],
    "image.pullSecrets": [[{"name": "one"}, {"name": "two"}]],
    "certs.mode": ["secret", "cert-manager"],
    "certs.secretName": ["other-tls"],
    "certs.caBundle": [FILE],
    "certs.issuerRef": [{"kind": "ClusterIssuer", "name": "internal"}],
    "certs.duration": ["48h"],
    "certs.renewBefore": ["24h"],
    "tls.minVersion": ["1.3"],
    "clients.caBundle": [FILE],
    "clients.names": [["kube-apiserver"], ["one", "two"]],
    "webhook.failurePolicy": ["Ignore"],
    "webhook.timeoutSeconds": [2, 30],
    "webhook.timeouts.advise": [3],
    "webhook.timeouts.system": [4],
    "webhook.message": ["see https://wiki.example/volumes: \"hostPath\""],
    "webhook.annotations": [{"a": "b", "admissions.enforcer/disabled": "false"}, {"cert-manager.io/inject-ca-from": "a/b"}],
    "service.annotations": [{"a": "service"}],
    "service.labels": [{"a": "service"}],
    "service.trafficDistribution": ["PreferSameZone"],
    "serviceAccount.annotations": [{"a": "account"}],
    "serviceAccount.labels": [{"a": "account"}, {"helm.sh/chart": "x"}],
    "webhook.excludedNamespaces": [[], ["kube-system", "guard", "calico-system"]],
    "webhook.matchConditions": [[{"name": "a", "expression": 'request.userInfo.username != "x"'}]],
    "webhook.adviseKubeSystem": [True],
    "logLevel": ["debug"],
    "drainTimeoutSeconds": [5],
    "extraArgs": [["--max-body=61001", "--idle-timeout=300"], ["--listen=[::]:1"], ["--events"]],
    "extraEnv": [[{"name": "A", "value": "<port>"}, {"name": "B", "value": "on"}]],
    "extraEnvFrom": [[{"configMapRef": {"name": "proxy"}}]],
    "revisionHistoryLimit": [0],
    "runtimeClassName": ["gvisor"],
    "hostAliases": [[{"ip": "10.0.0.1", "hostnames": ["a.example"]}]],
    "deploymentAnnotations": [{"a": "deployment"}],
    "commonLabels": [{"a": "common", "team": "all"}],
    "commonAnnotations": [{"a": "common", "b": "common"}],
    "resources": [{"requests": {"cpu": "1", "memory": None}, "limits": {"cpu": "2"}}],
    "priorityClassName": ["", "important"],
    "resourceQuota": [True],
    "port": [10443, 8081],
    "adminPort": [8082, 10250],
    "hostNetwork": [True],
    "nodeSelector": [{"kubernetes.io/os": None}, {"example.com/pool": "name-of-volcheck"}],
    "tolerations": [[{"operator": "Exists"}]],
    "affinity": [{"nodeAffinity": {}}],
    "podLabels": [{"team": "storage"}, {"app.kubernetes.io/name": "other"}],
    "podAnnotations": [{"example.com/team": "name-of-volcheck"}],
    "networkPolicy.enabled": [True],
    "networkPolicy.apiServerPorts": [[], [443, 7443, 61005]],
    "fullnameOverride": ["guard", "guard-", "1guard"],
}
# Values that require others, and combinations whose handling has special cases.
COMBINATIONS = [
    {"certs.mode": "secret", "certs.caBundle": FILE},
    {"certs.mode": "secret", "certs.caBundle": FILE, "webhook.adviseKubeSystem": True, "fullnameOverride": "guard"},
    {"certs.mode": "cert-manager", "certs.issuerRef": {"kind": "ClusterIssuer", "name": "internal"}},
    {"certs.mode": "cert-manager", "certs.secretName": "other", "fullnameOverride": "guard"},
    {"clients.caBundle": FILE + "\n\n", "clients.names": ["one", "two"]},
    {"hostNetwork": True, "port": 10443},
    {"hostNetwork": True, "port": 10443, "networkPolicy.enabled": True},
    {"networkPolicy.enabled": True, "networkPolicy.apiServerPorts": [443, 7443]},
    {"networkPolicy.enabled": True, "networkPolicy.apiServerPorts": [], "certs.mode": "cert-manager"},
    {"certs.mode": "cert-manager", "certs.duration": "48h", "certs.renewBefore": "24h"},
    {"webhook.adviseKubeSystem": True, "webhook.timeoutSeconds": 9, "webhook.timeouts.system": 4},
    {"commonLabels": {"a": "common"}, "podLabels": {"a": "pod"}, "service.labels": {"a": "service"}},
    {
        "commonAnnotations": {"a": "common", "b": "common"},
        "podAnnotations": {"a": "pod"},
        "deploymentAnnotations": {"a": "deployment"},
        "webhook.annotations": {"a": "webhook"},
        "service.annotations": {"a": "service"},
        "serviceAccount.annotations": {"a": "account"},
    },
    {"resourceQuota": True, "replicas": 5},
    {"resourceQuota": True, "priorityClassName": ""},
]
# Values of wrong types or outside of the allowed range.
INVALID = {
    "mode": ["enforce"],
    "replicas": [0, "two"],
    "image.repository": [""],
    "image.digest": ["sha256:0"],
    "certs.mode": ["manual"],
    "clients.names": [[""], "kube-apiserver"],
    "webhook.failurePolicy": ["Maybe"],
    "webhook.timeoutSeconds": [0, 31],
    "webhook.adviseKubeSystem": ["yes"],
    "webhook.unknown": [1],
    "webhook.matchConditions": [[{"name": "a"}]],
    "hostAliases": [[{"ip": "10.0.0.1", "hostnames": []}]],
    "nodeSelector": [{"a b": "c"}, {"a": "b c"}],
    "podAnnotations": [{"a": 1}],
    "drainTimeoutSeconds": [26],
    "port": [None, 65536],
    "networkPolicy.apiServerPorts": [[443, 0]],
    "fullnameOverride": ["x" * 51],
    "unknown": [1],
}


def lookup(tree, path):
    for key in path.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def nested(values):
    """Converts values by path to a values file."""
    tree = {}
    for path, value in values.items():
        *parents, key = path.split(".")
        target = tree
        for parent in parents:
            target = target.setdefault(parent, {})
        target[key] = value
    return yaml.safe_dump(tree)


def run(*command, stdin=""):
    return subprocess.run(command, input=stdin, capture_output=True, text=True)


def parsed(text):
    """Returns the objects of a manifest by kind and name. Parses the YAML and JSON in strings, and
    omits fields that are null."""
    objects = {}
    for obj in yaml.safe_load_all(text):
        if obj and obj["kind"] != "Namespace":
            labels = obj["metadata"].get("labels", {})
            pod_labels = obj.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {})
            for one in (labels, pod_labels):
                one.pop("helm.sh/chart", None)
                one.pop("app.kubernetes.io/managed-by", None)
            objects[obj["kind"], obj["metadata"]["name"]] = structured(obj)
    return objects


def structured(value):
    if isinstance(value, dict):
        return {key: structured(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [structured(one) for one in value]
    if isinstance(value, str) and "\n" in value and not value.startswith("-----BEGIN"):
        return yaml.safe_load(value)
    return value


def render(namespace, values):
    text = nested(values)
    # The hooks of the installation check are not part of a manifest.
    flags = ["--no-hooks", "--set", "installCheck.enabled=false"]
    helm = run("helm", "template", "volcheck", "charts/volcheck", "-n", namespace, *flags, "-f", "-", stdin=text)
    ours = run(volcheck, "manifest", "--namespace", namespace, "-f", "/dev/stdin", stdin=text)
    return helm, ours


def fail(values, *reasons):
    sys.exit("\n".join([f"error: with the values\n{nested(values)}", *map(str, reasons)]))


def merge(base, changes):
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = value


def is_supported(values):
    _, ours = render("volcheck", values)
    return "is not supported without Helm" not in ours.stderr


def compare(namespace, values):
    # Without an image in the values, `volcheck manifest` requires `--image`.
    if "image" not in values:
        values = {"image.repository": "registry.example/volcheck", **values}
    helm, ours = render(namespace, values)
    if helm.returncode:
        found = re.search(r"error calling fail: (.*)", helm.stderr)
        if ours.returncode != 2:
            fail(values, "volcheck manifest accepts values that Helm rejects:", helm.stderr)
        if found and found[1] not in ours.stderr:
            fail(values, helm.stderr, ours.stderr)
        return False
    if ours.returncode:
        fail(values, "volcheck manifest rejects values that Helm accepts:", ours.stderr)
    expected, actual = parsed(helm.stdout), parsed(ours.stdout)
    if expected.keys() != actual.keys():
        fail(values, "different objects:", sorted(expected.keys() ^ actual.keys()))
    for key, obj in expected.items():
        if actual[key] != obj:
            fail(values, *key, "Helm:", yaml.safe_dump(obj), "volcheck manifest:", yaml.safe_dump(actual[key]))
    return True


def leaves(tree, path=""):
    for key, value in tree.items():
        name = f"{path}.{key}".lstrip(".")
        if name in SAMPLES or not isinstance(value, dict) or not value:
            yield name, value
        else:
            yield from leaves(value, name)


counts = {True: 0, False: 0}
counts[compare("volcheck", {})] += 1
for path, samples in SAMPLES.items():
    for sample in samples:
        counts[compare("volcheck", {path: sample})] += 1
for values in COMBINATIONS:
    counts[compare("guard", values)] += 1
counts[compare("kube-system", {"resourceQuota": True})] += 1
generator = random.Random(1)
certs = [{}, {"certs.mode": "cert-manager"}, {"certs.mode": "secret", "certs.caBundle": FILE}]
for index in range(60):
    paths = generator.sample(sorted(SAMPLES.keys() - {"certs.mode", "certs.caBundle"}), 6)
    values = {**certs[index % 3], **{path: generator.choice(SAMPLES[path]) for path in paths}}
    counts[compare("guard", values)] += 1

# The cases of the chart's tests, except those with values that are not supported.
for file in sorted(pathlib.Path("tests/chart").glob("*.yaml")):
    for case in yaml.safe_load(file.read_text()):
        values = {"image": {"repository": "registry.example/volcheck"}}
        merge(values, case.get("values") or {})
        # `volcheck manifest` also checks that these values are certificates.
        for key in ("certs", "clients"):
            if values.get(key, {}).get("caBundle"):
                values[key]["caBundle"] = FILE
        if case.get("release", "volcheck") == "volcheck" and is_supported(values):
            counts[compare(case.get("namespace", "volcheck"), values)] += 1

for path, samples in INVALID.items():
    for sample in samples:
        values = {"image.repository": "registry.example/volcheck", path: sample}
        helm, ours = render("volcheck", values)
        if not helm.returncode or ours.returncode != 2 or f"`{path}" not in ours.stderr:
            fail(values, "expected an error:", helm.stderr, ours.stderr)

# The other values are rejected, whatever they are.
unsupported = [path for path, _ in leaves(DEFAULTS) if path not in SAMPLES]
for path in unsupported:
    schema = SCHEMA
    for key in path.split("."):
        if key not in schema.get("properties", {}):
            # The key of a free mapping, such as a label.
            break
        schema = schema["properties"][key]
        if "$ref" in schema:
            schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    kinds = {"string": "x", "integer": 9, "boolean": not lookup(DEFAULTS, path), "array": [{}], "object": {"x": "y"}}
    kind = schema.get("type", "string")
    kind = next(one for one in ([kind] if isinstance(kind, str) else kind) if one != "null")
    sample = next((one for one in schema.get("enum", []) if one != lookup(DEFAULTS, path)), kinds[kind])
    _, ours = render("volcheck", {"image.repository": "registry.example/volcheck", path: sample})
    if ours.returncode != 2 or f"`{path}" not in ours.stderr:
        fail({path: sample}, "neither tested nor rejected:", ours.stderr)
print(f"{counts[True]} sets of values render equal objects, {counts[False]} are rejected by both; not supported: {len(unsupported)} values")
