//! Checks values with the chart's JSON schema, which Helm also uses.

use regex::Regex;
use serde_json::Value;

use super::values::join;

/// Checks a value and everything in it. `root` contains the schemas that `$ref` names. Returns an
/// error that starts with the path of the invalid value.
pub(super) fn check(schema: &Value, root: &Value, value: &Value, path: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = root.pointer(reference.trim_start_matches('#')).ok_or("a dangling `$ref`")?;
        return check(schema, root, value, path);
    }
    let wrong = |problem: String| Err(format!("`{path}`: {problem}"));
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    if !types.is_empty() && !types.iter().any(|name| is_of_type(value, name)) {
        return wrong(format!("expected {}, found {value}", types.join(" or ")));
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let allowed: Vec<_> = allowed.iter().map(Value::to_string).collect();
        return wrong(format!("expected one of {}, found {value}", allowed.join(", ")));
    }
    let size = match value {
        Value::String(text) => i64::try_from(text.chars().count()).ok(),
        Value::Array(items) => i64::try_from(items.len()).ok(),
        number => number.as_i64(),
    };
    for (keyword, sign) in [
        ("minimum", 1),
        ("minLength", 1),
        ("minItems", 1),
        ("maximum", -1),
        ("maxLength", -1),
        ("maxItems", -1),
    ] {
        if let (Some(size), Some(limit)) = (size, schema[keyword].as_i64())
            && (size - limit) * sign < 0
        {
            return wrong(format!("{keyword} is {limit}, found {value}"));
        }
    }
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
        && !Regex::new(pattern).map_err(|error| error.to_string())?.is_match(text)
    {
        return wrong(format!("`{text}` does not match `{pattern}`"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(&schema["items"], root, item, &format!("{path}[{index}]"))?;
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(fields) = value.as_object()
        && let Some(missing) = required.into_iter().find(|key| !fields.contains_key(*key))
    {
        return Err(format!("`{}`: missing value", join(path, missing)));
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = join(path, key);
        check(&schema["propertyNames"], root, &Value::from(key.as_str()), &path)?;
        match schema["properties"].get(key) {
            Some(schema) => check(schema, root, value, &path)?,
            None if schema["additionalProperties"] == Value::Bool(false) => {
                return Err(format!("`{path}`: unknown value"));
            }
            None => check(&schema["additionalProperties"], root, value, &path)?,
        }
    }
    Ok(())
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::values::{self, Values};
    use super::*;

    /// The schemas of the supported values use only keywords that [`check`] implements.
    #[test]
    fn supported_values_use_only_supported_keywords() {
        const KEYWORDS: &[&str] = &[
            "$ref",
            "type",
            "enum",
            "minimum",
            "maximum",
            "minLength",
            "maxLength",
            "pattern",
            "minItems",
            "maxItems",
            "items",
            "required",
            "properties",
            "propertyNames",
            "additionalProperties",
            "description",
        ];
        fn visit(schema: &Value, path: &str) {
            for (keyword, value) in schema.as_object().expect("a schema") {
                assert!(KEYWORDS.contains(&keyword.as_str()), "{path}: {keyword}");
                match keyword.as_str() {
                    "properties" => {
                        value.as_object().expect("schemas").values().for_each(|schema| visit(schema, path));
                    }
                    "items" | "propertyNames" => visit(value, path),
                    "additionalProperties" if !value.is_boolean() => visit(value, path),
                    _ => {}
                }
            }
        }
        let schema: Value = serde_json::from_str(values::SCHEMA).expect("JSON");
        let supported = Values::new(&[], &[], &[]).expect("the defaults").supported_paths();
        assert!(supported.len() > 30, "{supported:?}");
        for path in supported.iter().filter(|path| *path != "policy") {
            visit(path.split('.').fold(&schema, |schema, key| &schema["properties"][key]), path);
        }
    }
}
