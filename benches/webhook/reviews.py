#!/usr/bin/env python3
"""Reviews for the benchmark of the webhook: reviews.py FOLDER writes 5k.json, 60k.json and 1400k.json."""

import json
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])


def review(size):
    container = {
        "name": "web", "image": "registry.example/web:2.0", "imagePullPolicy": "IfNotPresent",
        "env": [{"name": f"SETTING_{n}", "value": f"value-{n}"} for n in range(20)],
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "resources": {"limits": {"memory": "128Mi"}, "requests": {"cpu": "20m", "memory": "32Mi"}},
        "volumeMounts": [
            {"name": "data", "mountPath": "/data", "readOnly": True},
            {"name": "scratch", "mountPath": "/tmp"},
            {"name": "kube-api-access-x2x4q", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True},
        ],
    }
    pod = {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "managedFields": [
            {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {f"f:field{n}": {} for n in range(60)}}},
        ]},
        "spec": {
            "nodeSelector": {"disk": "ssd"}, "containers": [container],
            "volumes": [
                {"name": "data", "hostPath": {"path": "/srv/datasets", "type": "Directory"}},
                {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
                {"name": "kube-api-access-x2x4q", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
            ],
        },
    }
    request = {
        "uid": "u-1", "operation": "CREATE", "namespace": "shop", "name": "web", "object": pod,
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
        "requestResource": {"group": "", "version": "v1", "resource": "pods"},
        "userInfo": {"username": "alice"}, "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
    }
    whole = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    # More containers, as Pods grow, until it is as large as it should be.
    number = 0
    while len(json.dumps(whole)) + 1500 < size:
        number += 1
        more = dict(container, name=f"web-{number}")
        pod["spec"]["containers"].append(more)
        if number % 100 == 0 and len(pod["spec"]["containers"]) > 400:
            more["env"] = [{"name": f"LONG_{n}", "value": "x" * 1000} for n in range(200)]
    return json.dumps(whole)


for name, size in (("5k", 5_000), ("60k", 60_000), ("1400k", 1_400_000)):
    (folder / f"{name}.json").write_text(review(size))
