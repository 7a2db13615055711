//! Converts the documents in `policies/` from YAML to JSON.
//!
//! The program embeds the JSON and parses it at each start. Parsing the YAML at each start would
//! take most of the startup time.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=policies");
    let out_dir = env::var("OUT_DIR")?;
    for entry in fs::read_dir("policies")? {
        let source = entry?.path();
        let (Some(name), Some("yaml")) = (source.file_stem(), source.extension().and_then(|e| e.to_str()))
        else {
            continue;
        };
        let text = fs::read_to_string(&source)?;
        let document: serde_json::Value =
            serde_yaml::from_str(&text).map_err(|error| format!("{}: {error}", source.display()))?;
        fs::write(Path::new(&out_dir).join(name).with_extension("json"), serde_json::to_vec(&document)?)?;
    }
    Ok(())
}
