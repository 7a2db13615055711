#!/usr/bin/env python3
"""Checks the objects of the rendered chart.

    chart.py SECRET.yaml CERT-MANAGER.yaml SELF.yaml CA.crt POLICY

The first three files are the chart rendered with each `certs.mode`. CA.crt is `certs.caBundle` of
SECRET.yaml and `clients.caBundle` of SELF.yaml. The policy in SECRET.yaml is written to POLICY.
"""

import base64
import json
import pathlib
import sys

import yaml

secret, cert_manager, self_signed, ca, policy = map(pathlib.Path, sys.argv[1:])


def read(path):
    """Returns the objects of a file by kind and name."""
    objects = [obj for obj in yaml.safe_load_all(path.read_text()) if obj]
    return {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}


def expect(what, actual, expected):
    if actual != expected:
        sys.exit(f"error: {what}: expected {expected!r}, found {actual!r}")


# certs.mode=secret
objects = read(secret)
for (kind, name), obj in objects.items():
    if kind != "ValidatingWebhookConfiguration":
        expect(f"namespace of {kind} {name}", obj["metadata"].get("namespace"), "volcheck")
kinds = [kind for kind, _ in objects if "Role" in kind or "Mutating" in kind]
expect("roles and mutating webhooks", kinds, [])

hooks = objects["ValidatingWebhookConfiguration", "volcheck"]["webhooks"]
expect("webhook names", [hook["name"].split(".")[0] for hook in hooks], ["validate", "strict", "volumes", "advise"])
paths = [hook["clientConfig"]["service"]["path"] for hook in hooks]
expect("webhook paths", paths, ["/validate", "/validate/deny", "/validate", "/advise"])
expect("failure policies", [hook["failurePolicy"] for hook in hooks], ["Fail", "Fail", "Ignore", "Ignore"])
for hook in hooks:
    name = hook["name"]
    expect(f"CA of {name}", base64.b64decode(hook["clientConfig"]["caBundle"]).decode(), ca.read_text())
    expect(f"sideEffects of {name}", hook["sideEffects"], "None")
    expect(f"matchPolicy of {name}", hook["matchPolicy"], "Equivalent")
    expect(f"admissionReviewVersions of {name}", hook["admissionReviewVersions"], ["v1"])
    for rule in hook["rules"]:
        expect(f"operations of {name} other than CREATE and UPDATE", set(rule["operations"]) - {"CREATE", "UPDATE"}, set())
        if "pods" in rule["resources"]:
            expect(f"operations of {name} on Pods", rule["operations"], ["CREATE"])
    if name != "volumes.volcheck.io":
        (term, *_) = hook["namespaceSelector"]["matchExpressions"]
        expect(f"namespace key of {name}", (term["key"], term["operator"]), ("kubernetes.io/metadata.name", "NotIn"))
        expect(f"excluded namespaces of {name}", term["values"][:2], ["volcheck", "kube-system"])
terms = [hook["namespaceSelector"]["matchExpressions"][1] for hook in hooks[:2]]
expect("mode label", terms, [
    {"key": "volcheck.io/mode", "operator": "NotIn", "values": ["deny"]},
    {"key": "volcheck.io/mode", "operator": "In", "values": ["deny"]},
])

deployment = objects["Deployment", "volcheck"]["spec"]
pod = deployment["template"]["spec"]
(container,) = pod["containers"]
expect("rollingUpdate", deployment["strategy"]["rollingUpdate"], {"maxSurge": 1, "maxUnavailable": 0})
expect("grace period longer than the drain timeout", pod["terminationGracePeriodSeconds"] > 15 + 10, True)
expect("automountServiceAccountToken", pod["automountServiceAccountToken"], False)
expect("runAsNonRoot", pod["securityContext"]["runAsNonRoot"], True)
expect("container securityContext", container["securityContext"], {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
})
expect("ports", {port["name"]: port["containerPort"] for port in container["ports"]}, {"webhook": 10250, "admin": 8081})
expect("CPU limit", "cpu" in container["resources"]["limits"], False)
mounts = {mount["mountPath"]: mount["readOnly"] for mount in container["volumeMounts"]}
expect("read-only mounts", mounts, {"/certs": True, "/policy": True})
expect("maxUnavailable", objects["PodDisruptionBudget", "volcheck"]["spec"]["maxUnavailable"], 1)

text = objects["ConfigMap", "volcheck"]["data"]["volcheck.yaml"]
modes = {"*": "deny", "shop": "audit"}
expect("policy", yaml.safe_load(text), {"version": 1, "extends": ["node-agents"], "modes": modes})
policy.write_text(text)

# certs.mode=cert-manager, with one replica
objects = read(cert_manager)
expect("PodDisruptionBudget for one replica", ("PodDisruptionBudget", "volcheck") in objects, False)
registration = objects["ValidatingWebhookConfiguration", "volcheck"]
annotations = registration["metadata"]["annotations"]
(container,) = objects["Deployment", "volcheck"]["spec"]["template"]["spec"]["containers"]
expect("message", [flag for flag in container["args"] if "message" in flag], ['--message=ask "#platform"'])
expect("inject-ca-from", annotations["cert-manager.io/inject-ca-from"], "volcheck/volcheck")
expect("caBundle", any("caBundle" in hook["clientConfig"] for hook in registration["webhooks"]), False)
expect("dnsNames", objects["Certificate", "volcheck"]["spec"]["dnsNames"], ["volcheck.volcheck.svc"])
text = objects["ConfigMap", "volcheck"]["data"]["volcheck.yaml"]
expect("modes", yaml.safe_load(text)["modes"], {"*": "warn"})

# certs.mode=self
objects = read(self_signed)
registration = objects["ValidatingWebhookConfiguration", "volcheck"]
expect("webhooks before volcheck is ready", "webhooks" in registration, False)
entries = json.loads(registration["metadata"]["annotations"]["volcheck.io/entries"])
for hook in hooks:
    del hook["clientConfig"]["caBundle"]
expect("entries", entries, hooks)
expect("data of the CA Secret", "data" in objects["Secret", "volcheck-ca"], False)
rules = [rule for kind in ("Role", "ClusterRole") for rule in objects[kind, "volcheck"]["rules"]]
expect("permissions", [(rule["resources"], rule.get("resourceNames"), rule["verbs"]) for rule in rules], [
    (["secrets"], ["volcheck-ca"], ["get", "update"]),
    (["endpointslices"], None, ["list"]),
    (["validatingwebhookconfigurations"], ["volcheck"], ["get", "patch"]),
])
pod = objects["Deployment", "volcheck"]["spec"]["template"]["spec"]
expect("volumes", [volume["name"] for volume in pod["volumes"]], ["policy"])
expect("client CA", objects["ConfigMap", "volcheck"]["data"]["clients.crt"], ca.read_text())
flags = [flag for flag in pod["containers"][0]["args"] if "client" in flag]
expect("client flags", flags, ["--client-ca=/policy/clients.crt", "--client-name=kube-apiserver"])
expect("automountServiceAccountToken", pod["automountServiceAccountToken"], True)
egress = objects["NetworkPolicy", "volcheck"]["spec"]["egress"]
expect("egress", egress, [{"ports": [{"port": 443}, {"port": 6443}]}])
