#!/usr/bin/env python3
"""Checks the objects of the rendered chart.

    chart.py SECRET.yaml CERT-MANAGER.yaml SELF.yaml EVENTS.yaml CA.crt POLICY

The first three files are the chart rendered with each `certs.mode`. EVENTS.yaml is the chart with
`certs.mode=secret`, with Events and without the installation check. CA.crt is `certs.caBundle` of
SECRET.yaml and `clients.caBundle` of SELF.yaml. The policy in SECRET.yaml is written to POLICY.
"""

import base64
import json
import pathlib
import sys

import yaml

secret, cert_manager, self_signed, with_events, ca, policy = map(pathlib.Path, sys.argv[1:])


def read(path):
    """Returns the objects of a file by kind and name."""
    objects = [obj for obj in yaml.safe_load_all(path.read_text()) if obj]
    return {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}


def expect(what, actual, expected):
    if actual != expected:
        sys.exit(f"error: {what}: expected {expected!r}, found {actual!r}")


def check_rules(objects, registration_verbs):
    """Checks the hooks and the permissions of the installation check."""
    check = {kind: obj for (kind, name), obj in objects.items() if name == "volcheck-check"}
    for kind in ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Job"):
        annotations = check[kind]["metadata"]["annotations"]
        hooks = annotations["helm.sh/hook"].split(",")
        expect(f"hooks of {kind}", hooks[:3], ["post-install", "post-upgrade", "post-rollback"])
        expect(f"delete policy of {kind}", annotations["helm.sh/hook-delete-policy"], "before-hook-creation,hook-succeeded")
        expect(f"test hook of {kind}", hooks[3:], [] if kind == "Job" else ["test"])
    expect("rules in the namespace", check["Role"]["rules"], [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}])
    (rule,) = check["ClusterRole"]["rules"]
    expect("registration", (rule["resourceNames"], rule["verbs"]), (["volcheck"], registration_verbs))
    pods = [check["Job"]["spec"]["template"], objects["Pod", "volcheck-test-webhook"]]
    for pod in pods:
        expect("labels that the Service doesn't select", pod["metadata"]["labels"]["app.kubernetes.io/name"], "volcheck-check")


# certs.mode=secret
objects = read(secret)
for (kind, name), obj in objects.items():
    if kind not in ("ValidatingWebhookConfiguration", "ClusterRole", "ClusterRoleBinding"):
        namespace = "default" if name == "volcheck-check" and "Role" in kind else "volcheck"
        expect(f"namespace of {kind} {name}", obj["metadata"].get("namespace"), namespace)
kinds = [kind for kind, name in objects if "Role" in kind and name != "volcheck-check" or "Mutating" in kind]
expect("roles and mutating webhooks", kinds, [])
check_rules(objects, ["get"])
expect("intended webhooks", "webhooks.json" in objects["ConfigMap", "volcheck"]["data"], False)

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
expect("annotations", list(registration["metadata"]["annotations"]), ["admissions.enforcer/disabled"])
check_rules(objects, ["get", "patch"])
(container,) = objects["Job", "volcheck-check"]["spec"]["template"]["spec"]["containers"]
expect("arguments of the check", container["args"], [
    "probe", "--namespace=default", "--timeout=180", "--registration=volcheck", "--webhooks=/policy/webhooks.json",
    "--label=team=platform",
])
entries = json.loads(objects["ConfigMap", "volcheck"]["data"]["webhooks.json"])
for hook in hooks:
    del hook["clientConfig"]["caBundle"]
expect("entries", entries, hooks)
expect("data of the CA Secret", "data" in objects["Secret", "volcheck-ca"], False)
rules = [rule for kind in ("Role", "ClusterRole") for rule in objects[kind, "volcheck"]["rules"]]
expect("permissions", [(rule["resources"], rule.get("resourceNames"), rule["verbs"]) for rule in rules], [
    (["secrets"], ["volcheck-ca"], ["get", "update"]),
    (["configmaps"], ["volcheck"], ["get", "watch"]),
    (["endpointslices"], None, ["list"]),
    (["events"], None, ["create", "patch"]),
    (["validatingwebhookconfigurations"], ["volcheck"], ["get", "watch", "patch"]),
])
pod = objects["Deployment", "volcheck"]["spec"]["template"]["spec"]
expect("volumes", [volume["name"] for volume in pod["volumes"]], ["policy"])
expect("client CA", objects["ConfigMap", "volcheck"]["data"]["clients.crt"], ca.read_text())
flags = [flag for flag in pod["containers"][0]["args"] if "client" in flag]
expect("client flags", flags, ["--client-ca=/policy/clients.crt", "--client-name=kube-apiserver"])
expect("automountServiceAccountToken", pod["automountServiceAccountToken"], True)
egress = objects["NetworkPolicy", "volcheck"]["spec"]["egress"]
expect("egress", egress, [{"ports": [{"port": 443}, {"port": 6443}]}])
egress = objects["NetworkPolicy", "volcheck-check"]["spec"]["egress"]
expect("egress of the check", egress, [{"ports": [{"port": 443}, {"port": 6443}]}])

# events.enabled, with certs.mode=secret
objects = read(with_events)
expect("objects of the check", [name for _, name in objects if "-check" in name or "test-webhook" in name], [])
expect("Roles", [kind for kind, _ in objects if kind in ("Role", "RoleBinding")], [])
expect("rules for Events", objects["ClusterRole", "volcheck"]["rules"], [
    {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
])
pod = objects["Deployment", "volcheck"]["spec"]["template"]["spec"]
expect("automountServiceAccountToken for Events", pod["automountServiceAccountToken"], True)
expect("--events", "--events" in pod["containers"][0]["args"], True)
hooks = objects["ValidatingWebhookConfiguration", "volcheck"]["webhooks"]
expect("sideEffects with Events", {hook["sideEffects"] for hook in hooks}, {"NoneOnDryRun"})
