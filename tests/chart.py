#!/usr/bin/env python3
"""Renders the chart with the values of each case in tests/chart/*.yaml, and checks the result.

    chart.py [--write DIR] [TEXT]

Checks only cases whose names contain TEXT. With `--write`, also writes the objects of each accepted
case to a file in DIR/restricted, or if they violate this Pod Security level, in DIR/privileged.

A case is a mapping with these keys:

- `name`: the name of the case.
- `values`: the values of the chart.
- `release` and `namespace`: the name and the namespace of the release; both default to `volcheck`.
- `rejects`: a part of the message with which Helm rejects the values. If missing, Helm must accept them.
- `expect`: for each object, as `KIND/NAME`, the expected values of its fields by their paths. In a
  path, `[3]` is an index, `[key=value]` selects an item of a list, and any other text in brackets is
  a key that contains a dot or a slash. An expected null means that the field is missing. The field
  `entries` of the ValidatingWebhookConfiguration contains the webhooks that volcheck registers.
- `absent`: objects that must not be rendered.
- `violations`: the fields that violate the Pod Security level `restricted`; by default none.

Each key of values.yaml needs a case that changes it and expects a result.
"""

import argparse
import concurrent.futures
import copy
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys

import yaml

CHART = pathlib.Path("charts/volcheck")
CASES = pathlib.Path("tests/chart")
CLUSTER_SCOPED = {
    "ClusterRole",
    "ClusterRoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
}


class Failure(Exception):
    """The reason why a case fails."""


def expect(what, actual, expected):
    if actual != expected:
        raise Failure(f"{what}: expected {expected!r}, found {actual!r}")


def render(case):
    """Runs Helm. Returns the objects by kind and name, or the error message."""
    release, namespace = case.get("release", "volcheck"), case.get("namespace", "volcheck")
    done = subprocess.run(
        ["helm", "template", release, CHART, "--namespace", namespace, "--values", "-"],
        input=json.dumps(case.get("values", {})),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        return None, done.stderr
    objects = {}
    for obj in filter(None, yaml.safe_load_all(done.stdout)):
        name = f"{obj['kind']}/{obj['metadata']['name']}"
        if name in objects:
            raise Failure(f"{name} is rendered twice")
        objects[name] = obj
        if obj["kind"] == "ValidatingWebhookConfiguration":
            entries = obj["metadata"]["annotations"].get("volcheck.io/entries")
            obj["entries"] = json.loads(entries) if entries else obj["webhooks"]
    return objects, done.stdout


def field(value, path):
    """Returns the value at a path, or None if it is missing."""
    for key, bracketed in re.findall(r"([^.\[\]]+)|\[([^\]]+)\]", path):
        selector = re.fullmatch(r"(\w+)=(.*)", bracketed)
        if value is None:
            return None
        if selector:
            value = next((item for item in value if str(item.get(selector[1])) == selector[2]), None)
        elif bracketed.isdigit() and isinstance(value, list):
            value = value[int(bracketed)] if int(bracketed) < len(value) else None
        else:
            value = value.get(key or bracketed)
    return value


def pod_templates(objects):
    """Yields the name, the labels and the spec of each Pod and Pod template."""
    for name, obj in objects.items():
        if obj["kind"] == "Pod":
            yield name, obj["metadata"]["labels"], obj["spec"]
        elif "template" in (obj.get("spec") or {}):
            template = obj["spec"]["template"]
            yield name, template["metadata"].get("labels", {}), template["spec"]


SAFE_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}
CONTAINER_TYPES = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def violations(spec):
    """Returns the fields of a Pod spec that violate the Pod Security level `restricted`
    (https://kubernetes.io/docs/concepts/security/pod-security-standards/)."""
    found = {key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)}
    if spec.get("hostUsers") is True:
        found.add("hostUsers")
    for volume in spec.get("volumes", []):
        found |= {f"volumes.{source}" for source in volume if source not in SAFE_VOLUMES | {"name"}}
    pod = spec.get("securityContext", {})
    found |= {f"sysctls.{item['name']}" for item in pod.get("sysctls", []) if item["name"] not in SAFE_SYSCTLS}
    containers = [spec.get(key, []) for key in ("initContainers", "containers", "ephemeralContainers")]
    for container in itertools.chain(*containers):
        own = container.get("securityContext", {})
        inherited = {**pod, **own}
        for context in (pod, own):
            selinux = context.get("seLinuxOptions", {})
            if selinux.get("type") not in CONTAINER_TYPES or selinux.get("user") or selinux.get("role"):
                found.add("seLinuxOptions")
            if context.get("appArmorProfile", {}).get("type") == "Unconfined":
                found.add("appArmorProfile")
            if context.get("windowsOptions", {}).get("hostProcess"):
                found.add("hostProcess")
            if context.get("runAsUser") == 0:
                found.add("runAsUser")
        if inherited.get("runAsNonRoot") is not True:
            found.add("runAsNonRoot")
        if inherited.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            found.add("seccompProfile")
        if own.get("privileged"):
            found.add("privileged")
        if own.get("allowPrivilegeEscalation") is not False:
            found.add("allowPrivilegeEscalation")
        if own.get("procMount", "Default") != "Default":
            found.add("procMount")
        capabilities = own.get("capabilities", {})
        if "ALL" not in capabilities.get("drop", []):
            found.add("capabilities.drop")
        if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
            found.add("capabilities.add")
        if any(port.get("hostPort") for port in container.get("ports", [])):
            found.add("hostPort")
        for handler in ("livenessProbe", "readinessProbe", "startupProbe"):
            if any((container.get(handler, {}).get(kind) or {}).get("host") for kind in ("httpGet", "tcpSocket")):
                found.add(f"{handler}.host")
    return found


def test_violations(spec):
    """Checks that `violations` finds each change of a restricted Pod that violates the level."""
    changes = {
        "hostNetwork": lambda pod, container: pod.update(hostNetwork=True),
        "volumes.hostPath": lambda pod, container: pod["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
        "sysctls.kernel.msgmax": lambda pod, container: pod["securityContext"].update(sysctls=[{"name": "kernel.msgmax"}]),
        "seLinuxOptions": lambda pod, container: container["securityContext"].update(seLinuxOptions={"type": "spc_t"}),
        "appArmorProfile": lambda pod, container: pod["securityContext"].update(appArmorProfile={"type": "Unconfined"}),
        "runAsUser": lambda pod, container: container["securityContext"].update(runAsUser=0),
        "runAsNonRoot": lambda pod, container: pod["securityContext"].pop("runAsNonRoot"),
        "seccompProfile": lambda pod, container: pod["securityContext"].pop("seccompProfile"),
        "privileged": lambda pod, container: container["securityContext"].update(privileged=True),
        "allowPrivilegeEscalation": lambda pod, container: container["securityContext"].pop("allowPrivilegeEscalation"),
        "capabilities.drop": lambda pod, container: container["securityContext"].pop("capabilities"),
        "capabilities.add": lambda pod, container: container["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]),
        "hostPort": lambda pod, container: container["ports"][0].update(hostPort=1),
        "readinessProbe.host": lambda pod, container: container["readinessProbe"]["httpGet"].update(host="x"),
    }
    expect("violations of the default Pod", violations(spec), set())
    for name, change in changes.items():
        changed = copy.deepcopy(spec)
        change(changed, changed["containers"][0])
        expect(f"violations after a change of {name}", violations(changed), {name})


def check_every_rendering(objects, case):
    """Checks what is true for all values."""
    release, namespace = case.get("release", "volcheck"), case.get("namespace", "volcheck")
    values = case.get("values", {})
    own = {name: obj for name, obj in objects.items() if obj["metadata"].get("labels")}
    for name, obj in own.items():
        metadata = obj["metadata"]
        expect(f"namespace of {name}", metadata.get("namespace"), None if obj["kind"] in CLUSTER_SCOPED else namespace)
        expect(f"instance of {name}", metadata["labels"]["app.kubernetes.io/instance"], release)
        for key in ("labels", "annotations"):
            common = values.get(f"common{key.capitalize()}", {})
            actual = {name: value for name, value in metadata.get(key, {}).items() if name in common}
            expect(f"common {key} of {name}", actual, common)

    found = set()
    for name, labels, spec in pod_templates(own):
        found |= violations(spec)
        volumes = {volume["name"] for volume in spec["volumes"]}
        for container in spec["containers"]:
            mounts = container.get("volumeMounts", [])
            expect(f"undefined volumes of {name}", {mount["name"] for mount in mounts} - volumes, set())
            chart_mounts = [mount for mount in mounts if mount["name"] in ("policy", "certs")]
            expect(f"writable mounts of {name}", [mount for mount in chart_mounts if not mount.get("readOnly")], [])
    expect("violations of the Pod Security level `restricted`", found, set(case.get("violations", [])))

    ((_, deployment),) = [(name, obj) for name, obj in own.items() if obj["kind"] == "Deployment"]
    template = deployment["spec"]["template"]
    pod = template["spec"]
    container = pod["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    expect("ports", ports, {"webhook": values.get("port", 10250), "admin": values.get("adminPort", 8081)})
    drain = values.get("drainTimeoutSeconds", 15)
    if pod["terminationGracePeriodSeconds"] < drain + 10:
        raise Failure("the grace period is too short for the drain timeout")
    selectors = [deployment["spec"]["selector"]["matchLabels"]]
    for name, obj in own.items():
        if obj["kind"] == "Service":
            selectors.append(obj["spec"]["selector"])
        elif obj["kind"] == "PodDisruptionBudget":
            selectors.append(obj["spec"]["selector"]["matchLabels"])
        elif obj["kind"] == "NetworkPolicy":
            selectors.append(obj["spec"]["podSelector"]["matchLabels"])
        elif obj["kind"] in ("RoleBinding", "ClusterRoleBinding"):
            accounts = [subject["name"] for subject in obj["subjects"]]
            expect(f"subjects of {name}", accounts, [pod["serviceAccountName"]])
    for selector in selectors:
        expect("labels of the Pods", {key: template["metadata"]["labels"].get(key) for key in selector}, selector)

    (registration,) = [obj for obj in own.values() if obj["kind"] == "ValidatingWebhookConfiguration"]
    certs = values.get("certs", {}).get("mode", "self")
    expect("webhooks before volcheck is ready", "webhooks" in registration, certs != "self")
    for entry in registration["entries"]:
        name = entry["name"]
        expect(f"sideEffects of {name}", entry["sideEffects"], "None")
        expect(f"matchPolicy of {name}", entry["matchPolicy"], "Equivalent")
        expect(f"admissionReviewVersions of {name}", entry["admissionReviewVersions"], ["v1"])
        expect(f"CA of {name}", "caBundle" in entry["clientConfig"], certs == "secret")
        for rule in entry["rules"]:
            expect(f"operations of {name}", set(rule["operations"]) - {"CREATE", "UPDATE"}, set())
            if "pods" in rule["resources"]:
                expect(f"operations of {name} on Pods", rule["operations"], ["CREATE"])
        if name not in ("volumes.volcheck.io", "system.volcheck.io"):
            term = entry["namespaceSelector"]["matchExpressions"][0]
            expect(f"first namespace term of {name}", (term["key"], term["operator"]), ("kubernetes.io/metadata.name", "NotIn"))
            expect(f"release namespace in the exclusions of {name}", term["values"][0], namespace)
    terms = [
        [term for term in entry["namespaceSelector"]["matchExpressions"] if term["key"] == "volcheck.io/mode"]
        for entry in registration["entries"][:2]
    ]
    expect("mode label", terms, [
        [{"key": "volcheck.io/mode", "operator": "NotIn", "values": ["deny"]}],
        [{"key": "volcheck.io/mode", "operator": "In", "values": ["deny"]}],
    ])


def check_case(case, directory):
    objects, text = render(case)
    if "rejects" in case:
        if objects is not None:
            raise Failure("Helm accepts the values")
        if case["rejects"] not in text:
            raise Failure(f"the message does not contain {case['rejects']!r}:\n{text}")
        return
    if objects is None:
        raise Failure(f"Helm rejects the values:\n{text}")
    for name in case.get("absent", []):
        expect(f"{name} is rendered", name in objects, False)
    for name, fields in case.get("expect", {}).items():
        if name not in objects:
            raise Failure(f"{name} is missing")
        for path, expected in fields.items():
            expect(f"{name} {path}", field(objects[name], path), expected)
    check_every_rendering(objects, case)
    if directory:
        level = "privileged" if "violations" in case else "restricted"
        file = directory / level / f"{re.sub('[^A-Za-z0-9]+', '-', case['name'])}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def documented_keys():
    """Returns the keys in values.yaml that have a comment `# --`, as in the README."""
    keys, section, has_comment = [], "", False
    for line in (CHART / "values.yaml").read_text().splitlines():
        content = line.strip()
        if content.startswith("#"):
            has_comment = has_comment or content.startswith("# -- ")
        elif match := re.match(r"( *)([A-Za-z]+):", line):
            if not match[1]:
                section = match[2]
            if has_comment:
                keys.append(f"{section}.{match[2]}" if match[1] else match[2])
            has_comment = False
    return keys


def check_keys(cases):
    """Checks that each key of values.yaml has a comment, a schema and a case."""
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    documented = documented_keys()
    accepted = [case for case in cases if "rejects" not in case and (case.get("expect") or case.get("absent"))]
    problems = []
    for key, value in defaults.items():
        inner = [] if key in documented or not isinstance(value, dict) else list(value)
        for name in [f"{key}.{name}" for name in inner] or [key]:
            if name not in documented:
                problems.append(f"{name} has no comment in values.yaml")
    for name in documented:
        path = name.split(".")
        if not any(field(case.get("values"), name) not in (None, field(defaults, name)) for case in accepted):
            problems.append(f"{name}: no case changes this value and expects a result")
        node = schema
        for key in path:
            node = node.get("properties", {}).get(key, {})
        if not node:
            problems.append(f"{name} is not in values.schema.json")
    for path, node in nodes(schema["properties"]):
        if "properties" in node and node.get("additionalProperties") is not False and not path.startswith("policy"):
            problems.append(f"{path} allows unknown keys in values.schema.json")
    if problems:
        sys.exit("error: " + "\nerror: ".join(problems))


def check_cipher_suites():
    """Checks that the schema lists the cipher suites that volcheck supports."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    listed = schema["properties"]["tls"]["properties"]["cipherSuites"]["items"]["enum"]
    command = [os.environ["VOLCHECK"], "serve", "--service=volcheck", "--tls-cipher-suites=unknown"]
    message = subprocess.run(command, capture_output=True, text=True).stderr
    expect("cipher suites", sorted(listed), sorted(re.findall(r"TLS_\w+", message)))


def nodes(properties, prefix=""):
    """Yields the path and the schema of each property."""
    for key, node in properties.items():
        yield prefix + key, node
        for inner in (node, node.get("items", {})):
            yield from nodes(inner.get("properties", {}), f"{prefix}{key}.")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", metavar="DIR", type=pathlib.Path)
    parser.add_argument("text", nargs="?", default="")
    arguments = parser.parse_args()
    files = sorted(CASES.glob("*.yaml"))
    cases = [case for file in files for case in yaml.safe_load(file.read_text())]
    names = [case["name"] for case in cases]
    expect("cases with the same name", sorted({name for name in names if names.count(name) > 1}), [])
    check_keys(cases)
    check_cipher_suites()
    (pod,) = [spec for name, _, spec in pod_templates(render({})[0]) if name == "Deployment/volcheck"]
    test_violations(pod)

    selected = [case for case in cases if arguments.text in case["name"]]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for case, future in [(case, pool.submit(check_case, case, arguments.write)) for case in selected]:
            try:
                future.result()
            except Failure as failure:
                failed += 1
                print(f"error: {case['name']}: {failure}", file=sys.stderr)
    if failed or not selected:
        sys.exit(f"error: {failed} of {len(selected)} cases failed")
    print(f"{len(selected)} cases passed")


main()
