//! The project's own tool: `cargo dev generate [--check]` and `cargo dev new-rule ID GROUP`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool of the project's own, for its terminal"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use serde_json::Value;
use volcheck::report::Format;
use volcheck::rules::{Group, Registry};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["generate"] => generate(false),
        ["generate", "--check"] => generate(true),
        ["new-rule", id, group] => new_rule(id, group),
        _ => Err("cargo dev generate [--check] | cargo dev new-rule ID GROUP".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

/// Writes the generated files, or says which differ.
fn generate(check: bool) -> Result<(), String> {
    let mut stale = Vec::new();
    let mut put = |path: &str, text: String| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if fs::read_to_string(&path).ok().as_deref() == Some(&text) {
            return Ok(());
        }
        if check {
            stale.push(path.display().to_string());
            return Ok(());
        }
        fs::create_dir_all(path.parent().unwrap_or(&path)).map_err(|error| error.to_string())?;
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    for rule in Registry::built_in().iter() {
        put(&format!("docs/rules/{}.md", rule.id), rule.page().markdown)?;
    }
    let table = volcheck(&["rules", "--format", "markdown"])?;
    put("docs/rules/README.md", format!("# The rules\n\n{}", table.replace("docs/rules/", "")))?;
    put("docs/one-verdict.md", one_verdict())?;
    put("docs/reference/cli.md", cli()?)?;
    put("docs/reference/policy.schema.json", volcheck::policy::schema())?;
    put("docs/formats.md", formats()?)?;
    put("charts/volcheck/README.md", chart()?)?;
    put("charts/volcheck/values.schema.json", chart_schema()?)?;
    put("docs/first.svg", picture()?)?;
    put("README.md", readme(&table)?)?;
    if stale.is_empty() {
        Ok(())
    } else {
        Err(format!("not up to date, run `cargo dev generate`:\n{}", stale.join("\n")))
    }
}

fn volcheck(arguments: &[&str]) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let program =
        program.parent().and_then(Path::parent).map(|folder| folder.join("volcheck")).unwrap_or_default();
    let output = Command::new(&program)
        .args(arguments)
        .env("COLUMNS", "100")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .map_err(|error| format!("{}: {error}; `cargo build` makes it", program.display()))?;
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

/// What the two places can't both see, by rule and reason.
fn one_verdict() -> String {
    let mut out = String::from(
        "# One verdict\n\nThe same object under the same policy gets the same findings from `volcheck lint` and from the webhook, and\n\
         `volcheck lint` exits 1 exactly when the webhook would deny an object of the input, or a Pod that one of them makes.\n\
         The exceptions, all of them:\n\n| rule | why lint alone reports it |\n|---|---|\n",
    );
    for rule in Registry::built_in().iter() {
        if let Some(reason) = rule.lint_only {
            out.push_str(&format!("| [`{id}`](rules/{id}.md) | {reason} |\n", id = rule.id));
        }
    }
    out.push_str(
        "\nCustom kinds are judged by lint alone: in the cluster their Pods are judged when they come.\n\n\
         A manifest's owner reference is believed, so that Pods as `kubectl get` prints them count as their workload's. Anybody\n\
         may write one: the webhook believes it of the controllers of Kubernetes and of those that the policy names.\n",
    );
    out
}

fn cli() -> Result<String, String> {
    let mut out = String::from("# The command line\n");
    for command in [
        "",
        "lint",
        "baseline",
        "init",
        "policy show",
        "policy check",
        "serve",
        "certs",
        "manifest",
        "review",
        "explain",
        "rules",
        "schema",
        "completions",
        "man",
    ] {
        let arguments: Vec<&str> =
            command.split(' ').chain(["--help"]).filter(|word| !word.is_empty()).collect();
        let title = format!("volcheck {command}");
        out.push_str(&format!("\n## {}\n\n```\n{}```\n", title.trim(), volcheck(&arguments)?));
    }
    Ok(out)
}

/// The page of the formats, with what each of them makes of the first example.
fn formats() -> Result<String, String> {
    let mut text = page("docs/formats.md")?;
    for format in Format::ALL {
        let language = match format {
            Format::Json | Format::Jsonl | Format::Sarif | Format::Gitlab => "json",
            Format::Junit | Format::Checkstyle => "xml",
            Format::Markdown => "markdown",
            Format::Text | Format::Concise | Format::Github => "",
        };
        let output = volcheck(&["lint", "--format", format.name(), "examples/first"])?;
        text = between(&text, format.name(), &format!("```{language}\n{output}```\n"))?;
    }
    Ok(text)
}

/// The text report of the first example, as a terminal shows it.
fn picture() -> Result<String, String> {
    let shown = volcheck(&["lint", "--color", "always", "examples/first"])?;
    let svg = anstyle_svg::Term::new().render_svg(&format!("$ volcheck lint examples/first\n{shown}"));
    Ok(svg)
}

/// Returns the chart's README with the table of its values. The comment above a value (`# -- …`) is
/// its description.
fn chart() -> Result<String, String> {
    let values = page("charts/volcheck/values.yaml")?;
    let mut table = String::from("| value | default | description |\n|---|---|---|\n");
    let (mut section, mut description) = ("", None::<String>);
    for line in values.lines() {
        let content = line.trim_start();
        if let Some(text) = content.strip_prefix("# ") {
            match &mut description {
                Some(description) => *description = format!("{description} {text}"),
                None => description = text.strip_prefix("-- ").map(str::to_owned),
            }
            continue;
        }
        let Some((key, value)) = content.split_once(':') else { continue };
        let is_inner = content.len() < line.len();
        if !is_inner && value.is_empty() {
            section = key;
        }
        let Some(text) = description.take() else { continue };
        let name = if is_inner { format!("{section}.{key}") } else { key.to_owned() };
        let default = match value.trim() {
            "" => "see `values.yaml`".to_owned(),
            value => format!("`{value}`"),
        };
        table.push_str(&format!("| `{name}` | {default} | {} |\n", text.replace('|', "\\|")));
    }
    between(&page("charts/volcheck/README.md")?, "values", &table)
}

/// The schema of the chart's values, with that of a policy in it, so that Helm refuses what volcheck couldn't read.
fn chart_schema() -> Result<String, String> {
    let parse = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| error.to_string());
    let mut schema = parse(&page("charts/volcheck/values.schema.json")?)?;
    let mut policy = parse(&volcheck::policy::schema())?;
    schema["$defs"] = policy["$defs"].take();
    let policy = policy.as_object_mut().ok_or("a schema is an object")?;
    // The chart says the version where the values don't.
    for key in ["$defs", "$schema", "required", "title"] {
        policy.remove(key);
    }
    schema["properties"]["policy"] = Value::Object(std::mem::take(policy));
    Ok(serde_json::to_string_pretty(&schema).map_err(|error| error.to_string())? + "\n")
}

/// The README with its generated parts: the table of rules, and the output of its first command.
fn readme(table: &str) -> Result<String, String> {
    let text = page("README.md")?;
    let output = volcheck(&["lint", "examples/first"])?;
    let text = between(&text, "rules", table)?;
    between(&text, "first", &format!("```\n{output}```\n"))
}

/// A page that is generated in part.
fn page(path: &str) -> Result<String, String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .map_err(|error| format!("{path}: {error}"))
}

fn between(text: &str, name: &str, content: &str) -> Result<String, String> {
    let (start, end) = (format!("<!-- {name}: generated -->\n"), format!("<!-- {name}: end -->"));
    let (before, rest) =
        text.split_once(&start).ok_or_else(|| format!("a page has no `{}`", start.trim()))?;
    let (_, after) = rest.split_once(&end).ok_or_else(|| format!("a page has no `{end}`"))?;
    Ok(format!("{before}{start}{}\n{end}{after}", content.trim_end()))
}

/// Writes a new rule that does nothing yet: its file, its fixtures, and its line in the list.
fn new_rule(id: &str, group: &str) -> Result<(), String> {
    let known = Group::ALL.map(|group| format!("{group:?}"));
    if !known.iter().any(|name| name == group) {
        return Err(format!("`{group}` is none of {}", known.join(", ")));
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    if !id.bytes().all(plain) || id.starts_with('-') || id.ends_with('-') {
        return Err(format!("`{id}` isn't lower case with dashes"));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let module = id.replace('-', "_");
    let file = root.join(format!("src/rules/{module}.rs"));
    if file.exists() {
        return Err(format!("{} is there already", file.display()));
    }
    let write = |path: &Path, text: String| {
        fs::create_dir_all(path.parent().unwrap_or(path)).map_err(|error| error.to_string())?;
        fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    write(&file, include_str!("rule.rs.txt").replace("{id}", id).replace("{module}", &module))?;
    let fixtures = root.join("tests/fixtures").join(id);
    let pod = include_str!("rule.yaml.txt");
    write(&fixtures.join("bad/first.yaml"), pod.replace("{name}", &format!("bad # finding: {id}")))?;
    write(&fixtures.join("good/first.yaml"), pod.replace("{name}", "good"))?;
    write(&fixtures.join("output.txt"), String::new())?;
    let list = root.join("src/rules/mod.rs");
    let text = fs::read_to_string(&list).map_err(|error| error.to_string())?;
    let head = format!("    {group}: [\n");
    let text = match text.split_once(&head) {
        Some((before, after)) => match after.split_once("    ],\n") {
            Some((modules, after)) => format!("{before}{head}{modules}        {module},\n    ],\n{after}"),
            None => return Err("src/rules/mod.rs: the list has no end".to_owned()),
        },
        None => return Err(format!("src/rules/mod.rs has no group `{group}`")),
    };
    write(&list, text)?;
    println!("{id}: write its page and check in {}, then VOLCHECK_BLESS=1 cargo test", file.display());
    Ok(())
}
