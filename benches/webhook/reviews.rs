//! Reviews of Pods in the format of the API server.

use serde_json::{Value, json};

/// The names of the reviews and their approximate sizes in bytes.
pub(crate) const SIZES: [(&str, usize); 3] = [("5k", 5_000), ("60k", 60_000), ("1400k", 1_400_000)];

/// Returns a review of a new Pod without findings, with approximately this size in bytes. The Pod
/// has as many containers as the size requires, but about a hundred at most. If these are not
/// enough, two of them have long environment variables.
pub(crate) fn review(size: usize) -> String {
    let env = |name: &str, count: usize, value: &dyn Fn(usize) -> String| -> Vec<Value> {
        (0..count).map(|n| json!({ "name": format!("{name}_{n}"), "value": value(n) })).collect()
    };
    let container = json!({
        "name": "web", "image": "registry.example/web:2.0", "imagePullPolicy": "IfNotPresent",
        "env": env("SETTING", 20, &|n| format!("value-{n}")),
        "ports": [{ "containerPort": 8080, "protocol": "TCP" }],
        "resources": { "limits": { "memory": "128Mi" }, "requests": { "cpu": "20m", "memory": "32Mi" } },
        "volumeMounts": [
            { "name": "data", "mountPath": "/data", "readOnly": true },
            { "name": "scratch", "mountPath": "/tmp" },
            {
                "name": "kube-api-access-x2x4q", "readOnly": true,
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
            },
        ],
    });
    let fields: serde_json::Map<_, _> = (0..60).map(|n| (format!("f:field{n}"), json!({}))).collect();
    let mut containers = vec![container.clone()];
    // The API server writes the fields in this order, with the kind before the object. `json!`
    // would sort them.
    let build = |containers: &[Value]| {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "web", "namespace": "shop", "labels": { "app": "web" },
                "managedFields": [
                    { "manager": "kubectl", "operation": "Update", "fieldsV1": { "f:spec": fields } },
                ],
            },
            "spec": {
                "nodeSelector": { "disk": "ssd" }, "containers": containers,
                "volumes": [
                    { "name": "data", "hostPath": { "path": "/srv/datasets", "type": "Directory" } },
                    { "name": "scratch", "emptyDir": { "sizeLimit": "1Gi" } },
                    {
                        "name": "kube-api-access-x2x4q",
                        "projected": { "sources": [{ "serviceAccountToken": { "path": "token" } }] },
                    },
                ],
            },
        });
        let kind = json!({ "group": "", "version": "v1", "kind": "Pod" });
        let resource = json!({ "group": "", "version": "v1", "resource": "pods" });
        let fields = [
            ("uid", json!("u-1")),
            ("kind", kind.clone()),
            ("resource", resource.clone()),
            ("requestKind", kind),
            ("requestResource", resource),
            ("name", json!("web")),
            ("namespace", json!("shop")),
            ("operation", json!("CREATE")),
            ("userInfo", json!({ "username": "alice" })),
            ("object", pod),
            ("oldObject", Value::Null),
            ("dryRun", json!(false)),
            ("options", json!({ "apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions" })),
        ];
        let fields = fields.map(|(key, value)| format!("\"{key}\":{value}")).join(",");
        format!(
            "{{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{{{fields}}}}}"
        )
    };
    let missing = size.saturating_sub(build(&containers).len());
    let one_len = container.to_string().len() + 5;
    for number in 0..missing / one_len {
        // Pods with hundreds of containers are unrealistic, so larger reviews get long environment
        // variables.
        if number >= 100 {
            let rest = missing - number * one_len;
            let values = env("LONG", 200, &|_| "x".repeat(rest / 200 / 2));
            containers.iter_mut().take(2).for_each(|container| container["env"] = json!(values));
            break;
        }
        let mut more = container.clone();
        more["name"] = json!(format!("web-{number}"));
        containers.push(more);
    }
    build(&containers)
}
