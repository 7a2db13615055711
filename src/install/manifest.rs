//! Replaces the placeholders in the rendered chart.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use super::values::{Values, is_placeholder};
use super::yaml;
use crate::cluster::x509::Validity;

const NAMESPACE_PLACEHOLDER: &str = "namespace-of-volcheck";
const IMAGE_PLACEHOLDER: &str = "<image.registry>/<image.repository>:<image.tag>";
/// The number of Pods in the rendered ResourceQuota: twice the placeholder of `replicas`.
const QUOTA_PLACEHOLDER: i64 = 122_002;
/// The rendered grace period of the Pods: the placeholder of `drainTimeoutSeconds`, plus 30.
const GRACE_PERIOD_PLACEHOLDER: i64 = 61_033;

/// The end of the name of a static registration
/// (`k8s.io/apiserver/pkg/admission/plugin/manifest/validation.go`).
const STATIC_SUFFIX: &str = ".static.k8s.io";

/// Returns the manifests that install the webhook in `namespace`. If `image` is `None`, the values
/// must contain the image.
pub fn manifest(values: &Values, namespace: &str, image: Option<&str>) -> Result<String, String> {
    values.check(namespace, |_| true)?;
    let rendered = match values.text("certs.mode") {
        "secret" => include_str!("../../charts/plain/secret.yaml"),
        "cert-manager" => include_str!("../../charts/plain/cert-manager.yaml"),
        _ => include_str!("../../charts/plain/self.yaml"),
    };
    let image = match image {
        Some(image) => image.to_owned(),
        None if values.is_default("image.repository") => return Err("missing --image or --static".to_owned()),
        None => image_of(values),
    };
    if image.is_empty() || image.ends_with(':') || !image.chars().all(|c| c.is_ascii_graphic()) {
        return Err(format!("invalid image name `{image}`"));
    }
    let objects = Template::new(values, namespace, &image)?.objects(rendered)?;
    Ok(objects.iter().map(yaml::to_string).collect::<Vec<_>>().join("---\n"))
}

/// Returns the registration of a webhook at `url` for the API server's `staticManifestsDir`.
/// `values` must contain the CA certificates of the webhook, in `certs.caBundle`.
pub fn static_registration(values: &Values, namespace: &str, url: &str) -> Result<String, String> {
    const USED: &[&str] = &["webhook.", "certs.mode", "certs.caBundle", "fullnameOverride"];
    values.check(namespace, |path| USED.iter().any(|used| path.starts_with(used)))?;
    let url = url.trim_end_matches('/');
    if !url.starts_with("https://") {
        return Err(format!("--static: `{url}` does not start with `https://`"));
    }
    if values.is_empty("certs.caBundle") {
        return Err("--static requires --ca-bundle".to_owned());
    }
    let rendered = include_str!("../../charts/plain/secret.yaml");
    let objects = Template::new(values, namespace, "")?.objects(rendered)?;
    let registration = objects.into_iter().find(|object| object["kind"] == "ValidatingWebhookConfiguration");
    let mut registration = registration.ok_or("the chart has no registration")?;
    registration["metadata"] = json!({"name": format!("{}{STATIC_SUFFIX}", values.name())});
    for entry in registration["webhooks"].as_array_mut().into_iter().flatten() {
        let config = entry["clientConfig"].as_object_mut().ok_or("an entry has no clientConfig")?;
        let service = config.remove("service").ok_or("an entry has no Service")?;
        let path = service["path"].as_str().unwrap_or_default();
        config.insert("url".to_owned(), json!(format!("{url}{path}")));
    }
    Ok(yaml::to_string(&registration))
}

/// Returns the image from the values, as the chart does.
fn image_of(values: &Values) -> String {
    let [registry, repository, tag, digest] =
        ["registry", "repository", "tag", "digest"].map(|key| values.text(&format!("image.{key}")));
    let slash = if registry.is_empty() { "" } else { "/" };
    let version = match (digest, tag) {
        ("", "") => format!(":{}", env!("CARGO_PKG_VERSION")),
        ("", tag) => format!(":{tag}"),
        (digest, _) => format!("@{digest}"),
    };
    format!("{registry}{slash}{repository}{version}")
}

/// The replacements of placeholders.
struct Template<'a> {
    values: &'a Values,
    texts: BTreeMap<String, String>,
    numbers: BTreeMap<i64, i64>,
    /// The elements of lists, by the placeholder in the only element of the rendered list.
    lists: Vec<(Value, Vec<Value>)>,
    mappings: BTreeMap<String, Map<String, Value>>,
}

impl<'a> Template<'a> {
    fn new(values: &'a Values, namespace: &str, image: &str) -> Result<Self, String> {
        let number = |path: &str| match path {
            "replicas" => Some(values.replicas()),
            path => values.get(path).as_i64(),
        };
        let required = |path: &str| number(path).ok_or(format!("`{path}`: missing value"));
        let mut template = Self {
            values,
            texts: BTreeMap::from([
                (NAMESPACE_PLACEHOLDER.to_owned(), namespace.to_owned()),
                (IMAGE_PLACEHOLDER.to_owned(), image.to_owned()),
            ]),
            numbers: BTreeMap::from([
                (QUOTA_PLACEHOLDER, values.replicas() * 2),
                (GRACE_PERIOD_PLACEHOLDER, required("drainTimeoutSeconds")? + 30),
            ]),
            lists: Vec::new(),
            mappings: BTreeMap::new(),
        };
        for (name, path) in [("clients", "clients.caBundle"), ("certs", "certs.caBundle")] {
            let pem = values.text(path);
            if let (false, Err(error)) = (pem.is_empty(), Validity::from_pem(pem)) {
                return Err(format!("{name}.caBundle: no PEM certificate: {error}"));
            }
        }
        template.texts.insert(base64("<certs.caBundle>"), base64(values.text("certs.caBundle")));
        for (path, placeholder, value) in values.placeholders() {
            if value.is_null() && placeholder.is_string() {
                return Err(format!("`{path}`: missing value"));
            }
            match placeholder {
                Value::String(text) => {
                    let value = match value {
                        _ if path == "fullnameOverride" => values.name().to_owned(),
                        Value::String(value) => value.trim_end().to_owned(),
                        scalar => scalar.to_string(),
                    };
                    template.texts.insert(text.clone(), value);
                }
                Value::Number(_) => {
                    template.numbers.insert(placeholder.as_i64().unwrap_or_default(), required(&path)?);
                }
                Value::Array(items) => {
                    let element = items.first().ok_or(format!("{path}: no placeholder"))?;
                    let placeholder = element.as_object().and_then(|fields| fields.values().next());
                    let mut items = value.as_array().cloned().unwrap_or_default();
                    // The chart excludes the namespace of the release in any case.
                    items.retain(|item| path != "webhook.excludedNamespaces" || item != namespace);
                    template.lists.push((placeholder.unwrap_or(element).clone(), items));
                }
                Value::Object(fields) => {
                    let value = value.as_object().cloned().unwrap_or_default();
                    let placeholder = fields.keys().find(|key| is_placeholder(key));
                    let placeholder = placeholder.ok_or(format!("{path}: no placeholder"))?;
                    template.mappings.insert(placeholder.clone(), value);
                }
                Value::Bool(_) | Value::Null => {}
            }
        }
        Ok(template)
    }

    /// Returns the objects of the rendered chart, changed according to the values.
    fn objects(&self, rendered: &str) -> Result<Vec<Value>, String> {
        let mut objects = Vec::new();
        for document in serde_yaml::Deserializer::from_str(rendered) {
            let object = Value::deserialize(document).map_err(|error| error.to_string())?;
            objects.extend((!object.is_null()).then_some(object));
        }
        let filled = self.fill(&Value::Array(objects));
        let Some(Value::Array(mut objects)) = filled else { return Err("the chart is empty".to_owned()) };
        for object in &mut objects {
            match object["kind"].as_str() {
                Some("ConfigMap") if object["data"]["volcheck.yaml"].is_string() => {
                    object["data"]["volcheck.yaml"] = json!(self.values.policy()?);
                }
                Some("Deployment") => self.change_deployment(&mut object["spec"]),
                Some("Certificate") if !self.values.is_empty("certs.issuerRef") => {
                    object["spec"]["issuerRef"] = self.values.get("certs.issuerRef").clone();
                }
                _ => {}
            }
        }
        Ok(objects)
    }

    fn change_deployment(&self, spec: &mut Value) {
        let pod = &mut spec["template"]["spec"];
        if !self.values.is_empty("affinity") {
            pod["affinity"] = self.values.get("affinity").clone();
        }
        if self.values.is_true("hostNetwork") {
            pod["hostNetwork"] = json!(true);
            pod["dnsPolicy"] = json!("ClusterFirstWithHostNet");
            spec["strategy"]["rollingUpdate"] = json!({"maxSurge": 0, "maxUnavailable": 1});
        }
    }

    /// Returns whether the values disable an element of a list: an object, a webhook entry or an
    /// argument.
    fn is_disabled(&self, element: &Value) -> bool {
        let values = self.values;
        let has_issuer = !values.is_empty("certs.issuerRef");
        let name = element["metadata"]["name"].as_str().unwrap_or_default();
        match element["kind"].as_str().or(element["name"].as_str()).or(element.as_str()) {
            Some("ResourceQuota") => !values.is_true("resourceQuota"),
            Some("NetworkPolicy") => !values.is_true("networkPolicy.enabled"),
            Some("PodDisruptionBudget") => values.replicas() == 1,
            Some("Issuer") => has_issuer,
            Some("Certificate") => has_issuer && name.ends_with("-root"),
            Some("system.volcheck.io") => !values.is_true("webhook.adviseKubeSystem"),
            Some("--client-ca=/policy/clients.crt") => values.is_empty("clients.caBundle"),
            _ => false,
        }
    }

    /// Returns a value with its placeholders replaced. Returns `None` for text, a list or a mapping
    /// that becomes empty.
    fn fill(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Number(number) => {
                let number = number.as_i64().and_then(|number| self.numbers.get(&number));
                Some(number.map_or_else(|| value.clone(), |&number| json!(number)))
            }
            Value::String(text) => self.fill_text(text).map(Value::String),
            Value::Array(items) => {
                let filled: Vec<Value> = items.iter().flat_map(|item| self.fill_item(item)).collect();
                (items.is_empty() || !filled.is_empty()).then_some(Value::Array(filled))
            }
            Value::Object(fields) => {
                let is_replaced = |key: &String| self.mappings.contains_key(key);
                let filled = fields.iter().filter(|(key, _)| !is_replaced(key));
                let mut filled: Map<String, Value> =
                    filled.filter_map(|(key, value)| Some((key.clone(), self.fill(value)?))).collect();
                // The placeholders are in alphabetical order, so those of `commonLabels` and
                // `commonAnnotations` are replaced first, and other mappings override them.
                let added = fields.keys().filter_map(|key| self.mappings.get(key)).flatten();
                filled.extend(added.map(|(key, value)| (key.clone(), value.clone())));
                (fields.is_empty() || !filled.is_empty()).then_some(Value::Object(filled))
            }
            other => Some(other.clone()),
        }
    }

    /// Returns the elements that replace an element of a list.
    fn fill_item(&self, element: &Value) -> Vec<Value> {
        if self.is_disabled(element) {
            return Vec::new();
        }
        let is_unset = |text: &str| self.texts.iter().any(|(from, to)| to.is_empty() && text.contains(from));
        if element.as_str().is_some_and(is_unset) {
            return Vec::new();
        }
        let Some((placeholder, items)) = self.lists.iter().find(|(text, _)| contains(element, text)) else {
            return self.fill(element).into_iter().collect();
        };
        let fill = |item: &Value| match item {
            Value::Object(_) | Value::Array(_) => item.clone(),
            scalar => replace(element, placeholder, scalar),
        };
        items.iter().map(fill).collect()
    }

    /// Replaces the placeholders in a text in a single pass, so that no part of a value is taken
    /// for a placeholder. If the text is a JSON list or mapping, replaces the placeholders in it as
    /// in YAML. Returns `None` if the text becomes empty.
    fn fill_text(&self, text: &str) -> Option<String> {
        if let Ok(json @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str::<Value>(text) {
            return Some(format!("{:#}\n", self.fill(&json)?));
        }
        let numbers = self.numbers.iter().map(|(from, to)| (from.to_string(), to.to_string()));
        let texts = self.texts.iter().map(|(from, to)| (from.clone(), to.clone()));
        let all: Vec<(String, String)> = texts.chain(numbers).collect();
        let (mut filled, mut rest) = (String::new(), text);
        // Of several placeholders at the same position, the longest one is replaced.
        let first = |rest: &str| {
            let found = all.iter().filter_map(|(from, to)| Some((rest.find(from)?, from, to)));
            found.min_by_key(|(at, from, _)| (*at, Reverse(from.len())))
        };
        while let Some((at, from, to)) = first(rest) {
            filled.push_str(&rest[..at]);
            filled.push_str(to);
            rest = &rest[at + from.len()..];
        }
        filled.push_str(rest);
        (text.trim().is_empty() || !filled.trim().is_empty()).then_some(filled)
    }
}

/// Checks whether a value contains this placeholder. Does not search nested lists.
fn contains(value: &Value, placeholder: &Value) -> bool {
    match (value, placeholder) {
        (Value::Object(fields), _) => fields.values().any(|value| contains(value, placeholder)),
        (Value::String(text), Value::String(placeholder)) => text.contains(placeholder),
        _ => value == placeholder,
    }
}

/// Replaces a placeholder in a value by a scalar.
fn replace(value: &Value, placeholder: &Value, scalar: &Value) -> Value {
    match (value, placeholder, scalar) {
        (Value::Object(fields), ..) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), replace(value, placeholder, scalar)));
            Value::Object(fields.collect())
        }
        (Value::String(text), Value::String(placeholder), Value::String(scalar)) => {
            json!(text.replace(placeholder, scalar))
        }
        _ if value == placeholder => scalar.clone(),
        _ => value.clone(),
    }
}

fn base64(text: &str) -> String {
    let encoded = serde_json::to_value(ByteString(text.into())).unwrap_or_default();
    encoded.as_str().unwrap_or_default().to_owned()
}
