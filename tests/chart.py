#!/usr/bin/env python3
"""What the chart renders to, read as the API server reads it.

    chart.py SECRET.yaml CERT-MANAGER.yaml SELF.yaml CA.crt POLICY

The policy of the first is written to POLICY.
"""

import base64
import json
import pathlib
import sys

import yaml

secret, managed, own, authority, policy = map(pathlib.Path, sys.argv[1:])


def read(path):
    objects = [one for one in yaml.safe_load_all(path.read_text()) if one]
    return {(one["kind"], one["metadata"]["name"]): one for one in objects}


def equal(found, wanted, what):
    if found != wanted:
        sys.exit(f"error: {what} is {found!r}, not {wanted!r}")


objects = read(secret)
for (kind, name), one in objects.items():
    if kind != "ValidatingWebhookConfiguration":
        equal(one["metadata"].get("namespace"), "volcheck", f"the namespace of {kind} {name}")

rights = [kind for kind, _ in objects if "Role" in kind or "Mutating" in kind]
equal(rights, [], "what gives rights, or mutates")
hooks = objects["ValidatingWebhookConfiguration", "volcheck"]["webhooks"]
equal([hook["name"].split(".")[0] for hook in hooks], ["validate", "strict", "volumes", "advise"], "the entries")
equal([hook["clientConfig"]["service"]["path"] for hook in hooks], ["/validate", "/validate/deny", "/validate", "/advise"], "the paths")
equal([hook["failurePolicy"] for hook in hooks], ["Fail", "Fail", "Ignore", "Ignore"], "the failure policies")
for hook in hooks:
    equal(base64.b64decode(hook["clientConfig"]["caBundle"]).decode(), authority.read_text(), "the authority")
    equal((hook["sideEffects"], hook["matchPolicy"], hook["admissionReviewVersions"]), ("None", "Equivalent", ["v1"]), hook["name"])
    for rule in hook["rules"]:
        equal(set(rule["operations"]) <= {"CREATE", "UPDATE"}, True, f"that {hook['name']} never stands before a deletion")
        if "pods" in rule["resources"]:
            equal(rule["operations"], ["CREATE"], "what happens to Pods")
    if hook["name"] != "volumes.volcheck.io":
        (names, *_) = hook["namespaceSelector"]["matchExpressions"]
        equal((names["key"], names["operator"], names["values"][:2]), ("kubernetes.io/metadata.name", "NotIn", ["volcheck", "kube-system"]), "what is left out")
by_label = [hook["namespaceSelector"]["matchExpressions"][1] for hook in hooks[:2]]
equal([(one["key"], one["operator"], one["values"]) for one in by_label], [("volcheck.io/mode", "NotIn", ["deny"]), ("volcheck.io/mode", "In", ["deny"])], "the label")

deployment = objects["Deployment", "volcheck"]["spec"]
pod = deployment["template"]["spec"]
(container,) = pod["containers"]
equal(deployment["strategy"]["rollingUpdate"], {"maxSurge": 1, "maxUnavailable": 0}, "the roll-out")
equal(pod["terminationGracePeriodSeconds"] > 15 + 10, True, "that there is time to drain")
equal((pod["automountServiceAccountToken"], pod["securityContext"]["runAsNonRoot"]), (False, True), "the Pod's identity")
equal(container["securityContext"], {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}, "the container's rights")
equal({port["name"]: port["containerPort"] for port in container["ports"]}, {"webhook": 10250, "admin": 8081}, "the ports")
equal("cpu" in container["resources"]["limits"], False, "a limit on CPU")
mounts = {mount["mountPath"]: mount["readOnly"] for mount in container["volumeMounts"]}
equal(mounts, {"/certs": True, "/policy": True}, "the mounts")
equal(objects["PodDisruptionBudget", "volcheck"]["spec"]["maxUnavailable"], 1, "the budget")

text = objects["ConfigMap", "volcheck"]["data"]["volcheck.yaml"]
equal(yaml.safe_load(text), {"version": 1, "extends": ["node-agents"], "modes": {"*": "deny", "shop": "audit"}}, "the policy")
policy.write_text(text)

objects = read(managed)
equal(("PodDisruptionBudget", "volcheck") in objects, False, "a budget for one replica")
hooks = objects["ValidatingWebhookConfiguration", "volcheck"]
equal(hooks["metadata"]["annotations"]["cert-manager.io/inject-ca-from"], "volcheck/volcheck", "the annotation")
equal(any("caBundle" in hook["clientConfig"] for hook in hooks["webhooks"]), False, "an authority of the chart's own")
equal(objects["Certificate", "volcheck"]["spec"]["dnsNames"], ["volcheck.volcheck.svc"], "the name")
equal(yaml.safe_load(objects["ConfigMap", "volcheck"]["data"]["volcheck.yaml"])["modes"], {"*": "warn"}, "the mode")

objects = read(own)
hooks = objects["ValidatingWebhookConfiguration", "volcheck"]
equal("webhooks" in hooks, False, "entries before volcheck is ready")
entries = json.loads(hooks["metadata"]["annotations"]["volcheck.io/entries"])
for given, registered in zip(read(secret)["ValidatingWebhookConfiguration", "volcheck"]["webhooks"], entries, strict=True):
    del given["clientConfig"]["caBundle"]
    equal(registered, given, "what is registered")
equal("data" in objects["Secret", "volcheck-ca"], False, "a key of the chart's own")
rights = {kind: objects[kind, "volcheck"]["rules"] for kind in ("Role", "ClusterRole")}
equal([(rule["resources"], rule.get("resourceNames"), rule["verbs"]) for rule in rights["Role"] + rights["ClusterRole"]], [
    (["secrets"], ["volcheck-ca"], ["get", "update"]),
    (["endpointslices"], None, ["list"]),
    (["validatingwebhookconfigurations"], ["volcheck"], ["get", "patch"]),
], "the rights")
pod = objects["Deployment", "volcheck"]["spec"]["template"]["spec"]
equal([volume["name"] for volume in pod["volumes"]], ["policy"], "the volumes")
equal(objects["ConfigMap", "volcheck"]["data"]["clients.crt"], authority.read_text(), "the authority of clients")
flags = [flag for flag in pod["containers"][0]["args"] if "client" in flag]
equal(flags, ["--client-ca=/policy/clients.crt", "--client-name=kube-apiserver"], "who may ask")
equal(pod["automountServiceAccountToken"], True, "that it has an account")
egress = objects["NetworkPolicy", "volcheck"]["spec"]["egress"]
equal(egress, [{"ports": [{"port": 443}, {"port": 6443}]}], "where it may go")
