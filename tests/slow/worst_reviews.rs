//! Reviews that need the most memory or time for their size.

use serde_json::{Value, json};

pub fn worst_case_reviews() -> Vec<String> {
    let review = |spec: Value| {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec});
        let resource = json!({"group": "", "version": "v1", "resource": "pods"});
        let request = json!({
            "uid": "u", "operation": "CREATE", "namespace": "shop", "name": "p", "object": pod, "resource": resource,
        });
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
            .to_string()
    };
    let volumes = |count: usize, suffix: &str| {
        let volume = |index| json!({"name": format!("v{index}{suffix}"), "emptyDir": {}});
        (0..count).map(volume).collect::<Vec<_>>()
    };
    let pod = |volume: Value, mounts: Vec<Value>, env: Vec<Value>| {
        review(json!({
            "containers": [{"name": "c", "env": env, "volumeMounts": mounts}],
            "volumes": [volume],
        }))
    };
    let empty_dir = || json!({"name": "v", "emptyDir": {}});
    let mount =
        |path: String, expression: &str| json!({"name": "v", "mountPath": path, "subPathExpr": expression});
    // Each variable refers to the two before it.
    let fibonacci = (0..3900)
        .map(|n: i32| json!({"name": format!("V{n}"), "value": format!("$(V{})$(V{})", n - 1, n - 2)}));
    let fibonacci_mounts = (0..1000).map(|n| mount(format!("/{n}"), &format!("$(V{n})")));
    // Thousands of variables, whose expanded values have the maximum length.
    let value = |n: usize| if n == 0 { "w".repeat(4096) } else { "$(W0)".to_owned() };
    let long_values = (0..4000).map(|n| json!({"name": format!("W{n}"), "value": value(n)}));
    // A finding with a long message for each mount.
    let long_mount =
        |n: usize, expression: &str| mount(format!("/etc/{}//{n}", "x".repeat(1300)), expression);
    // Objects just below the limits of `model::limits`.
    let few_mounts = |count: usize, expression: fn(usize) -> String| {
        (0..count)
            .map(|n| mount(format!("/etc/{}//{n}", "x".repeat(200_000 / count)), &expression(n)))
            .collect()
    };
    let variables = |count: usize| {
        (0..count).map(|n| json!({"name": format!("W{n}"), "value": "w".repeat(4000)})).collect::<Vec<_>>()
    };
    let escaped = |length: usize| {
        let review =
            pod(empty_dir(), vec![mount("/m".to_owned(), "")], vec![json!({"name": "E", "value": "E"})]);
        review.replacen("\"value\":\"E\"", &format!("\"value\":\"{}\"", "\\u0001".repeat(length)), 1)
    };
    let annotations = (0..350_000).map(|n| format!("\"k{n}\":\"\\u0041\"")).collect::<Vec<_>>().join(",");
    let update = format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","operation":"UPDATE","namespace":"n","resource":{{"version":"v1","resource":"pods"}},"object":{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p","annotations":{{{annotations}}}}}}},"oldObject":{{"kind":"Pod"}}}}}}"#
    );
    let host_paths =
        (0..1000).map(|n| json!({"name": format!("v{n}"), "hostPath": {"path": format!("/etc/{n}")}}));
    vec![
        update,
        review(json!({"containers": [{"name": "c"}], "volumes": host_paths.collect::<Vec<_>>()})),
        pod(empty_dir(), few_mounts(60, |_| String::new()), Vec::new()),
        pod(empty_dir(), few_mounts(900, |_| String::new()), Vec::new()),
        pod(empty_dir(), few_mounts(240, |_| "$(N)".to_owned()), Vec::new()),
        pod(empty_dir(), few_mounts(240, |n| format!("$(W{n})")), variables(240)),
        review(json!({"containers": [], "volumes": volumes(1000, &"x".repeat(245))})),
        escaped(1_000_000),
        review(json!({"containers": vec![json!({}); 2_000_000]})),
        review(json!({"containers": vec![Value::Null; 1_200_000]})),
        review(json!({"containers": [], "volumes": volumes(4900, "")})),
        review(json!({"containers": [], "volumes": volumes(4900, &"x".repeat(248))})),
        review(json!({"containers": [], "volumes": volumes(4900, &"x".repeat(1300))})),
        pod(
            json!({"name": "v", "hostPath": {"path": "/srv"}}),
            fibonacci_mounts.collect(),
            fibonacci.collect(),
        ),
        pod(empty_dir(), vec![mount("/m".to_owned(), "$(W9)")], long_values.collect()),
        pod(empty_dir(), (0..900).map(|n| long_mount(n, "$(N)")).collect(), Vec::new()),
        pod(empty_dir(), (0..4900).map(|n| long_mount(n, "")).collect(), Vec::new()),
    ]
}
