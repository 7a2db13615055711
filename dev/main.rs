//! Development tasks: `cargo dev generate [--check]` and `cargo dev new-rule ID GROUP`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::Value;
use volcheck::finding::Severity;
use volcheck::report::Format;
use volcheck::rules::{Group, Registry};

const USAGE: &str = "usage: cargo dev generate [--check] | cargo dev new-rule ID GROUP";

/// The width of a README on GitHub, in pixels. GitHub scales down wider pictures, including their
/// text.
const README_WIDTH: usize = 860;

/// The text above the tables in `docs/rules/README.md`.
const RULES_INTRODUCTION: &str = "# Rules\n\n\
    The column *severity* shows the highest severity of a rule's findings with the profile `recommended`, or *off* if this\n\
    profile disables the rule. In the column *fix*, *safe* is a fix that can't change the behavior of a working object, and\n\
    *unsafe* is a fix that can. A dash means that the rule offers no fix, only advice in the line `help` of the report.\n\n";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["generate"] => generate(false),
        ["generate", "--check"] => generate(true),
        ["new-rule", id, group] => new_rule(id, group),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

/// Writes the generated files. With `check`, writes nothing and fails if a file is outdated.
fn generate(check: bool) -> Result<(), String> {
    let mut outdated = Vec::new();
    for (path, text) in generated_files()? {
        if fs::read_to_string(absolute(&path)).is_ok_and(|current| current == text) {
            continue;
        }
        if check {
            outdated.push(path);
        } else {
            write(&path, &text)?;
        }
    }
    match outdated.as_slice() {
        [] => Ok(()),
        paths => Err(format!("outdated files, run `cargo dev generate`:\n{}", paths.join("\n"))),
    }
}

/// Returns the path and the text of each generated file.
fn generated_files() -> Result<Vec<(String, String)>, String> {
    let table = volcheck(&["rules", "--format", "markdown"])?;
    let mut files: Vec<(String, String)> = Registry::built_in()
        .iter()
        .map(|rule| (format!("docs/rules/{}.md", rule.id), rule.page().markdown))
        .collect();
    let pages = [
        ("docs/rules/README.md", format!("{RULES_INTRODUCTION}{}", table.replace("docs/rules/", ""))),
        ("docs/one-verdict.md", one_verdict_page()),
        ("docs/inputs.md", inputs_page()?),
        ("docs/reference/cli.md", cli_page()?),
        ("docs/reference/policy.schema.json", volcheck::policy::schema()),
        ("docs/reference/policy-test.schema.json", volcheck::policy_test::schema()),
        ("docs/formats.md", formats_page()?),
        ("docs/paths.md", paths_page()?),
        ("charts/volcheck/README.md", chart_readme()?),
        ("charts/volcheck/values.schema.json", values_schema()?),
        ("docs/first.svg", picture()?),
        ("README.md", readme(&table)?),
    ];
    files.extend(pages.map(|(path, text)| (path.to_owned(), text)));
    Ok(files)
}

/// Runs the program that `cargo build` has built, and returns its standard output.
fn volcheck(arguments: &[&str]) -> Result<String, String> {
    let this_program = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = this_program.ancestors().nth(2).unwrap_or(Path::new("")).join("volcheck");
    let output = Command::new(&program)
        .args(arguments)
        .env("COLUMNS", "100")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .map_err(|error| format!("{}: {error}; run `cargo build` first", program.display()))?;
    // Exit code 1 means that there are findings.
    if !matches!(output.status.code(), Some(0 | 1)) {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`volcheck {}` failed: {}", arguments.join(" "), message.trim_end()));
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

/// Returns the page about the differences between `volcheck lint` and the webhook. It lists the
/// rules whose errors only `volcheck lint` reports.
fn one_verdict_page() -> String {
    let mut page = String::from(
        "# Differences between lint and the webhook\n\n\
         For the same object and policy, `volcheck lint` and the webhook report the same findings. The exit code of\n\
         `volcheck lint` therefore predicts the decision of the webhook about new objects in mode `deny`. With the default\n\
         `--fail-on`, and if all input can be checked, the exit code is 1 if and only if the webhook denies an object in the\n\
         input, or a Pod that a controller creates for such an object. For other modes, use\n\
         [`volcheck lint --as-admission`](from-warn-to-deny.md#existing-objects). The exceptions are:\n\n\
         - findings that a comment, an annotation or the baseline suppresses\n\
         - findings that an exemption with `user` or `group` suppresses or lowers: only the webhook knows the user. `volcheck\n  \
         lint` ignores such an exemption, and doesn't report it as unused. It still reports invalid and expired ones\n\
         - objects that the webhook doesn't receive: Pods, workloads and PersistentVolumeClaims in excluded namespaces,\n  \
           StorageClasses, and objects that the API server rejects first, for example because of `..` in a `subPath`\n\
         - static Pods: the kubelet runs them without asking the API server, so the webhook admits their mirror Pods\n\
         - findings about a Pod that depend on another object, because the webhook sees one object at a time: for example,\n  \
           `mismatched-volume-mode` compares how a container uses a volume with the volume mode of the PersistentVolumeClaim\n\
         - exemptions that apply to a Pod only because of its owner references: see below\n\
         - errors about a PersistentVolumeClaim, or about a claim template of a StatefulSet: the webhook denies the claim or\n  \
           the StatefulSet only if the policy's `workloadMode` is `deny`\n\
         - host paths in custom resources that are not part of a Pod or PersistentVolume, such as the `disks` of a Longhorn\n  \
           Node: the webhook doesn't receive custom resources\n\
         - host paths with a placeholder, which another program replaces before it creates the object: `volcheck lint`\n  \
           reports the path as not checked, and the webhook checks the path that the object contains. A placeholder is a text\n  \
           such as `__DIR__` or `{{ dir }}` at the start of a path. In a custom resource, or in an object inside another\n  \
           object, a text such as `${NAME}`, `$(NAME)` or `{{ name }}` anywhere in a path is a placeholder, too\n\
         - errors of the rules in this table\n\n\
         | rule | why only `volcheck lint` reports errors |\n|---|---|\n",
    );
    for rule in Registry::built_in().iter() {
        if let Some(reason) = rule.lint_only {
            page.push_str(&format!("| [`{id}`](rules/{id}.md) | {reason} |\n", id = rule.id));
        }
    }
    page.push_str(
        "\nCustom workloads are objects of kinds outside of Kubernetes for which a controller creates Pods. Only `volcheck lint`\n\
         checks these objects. The webhook checks the Pods that their controllers create.\n\n\
         `volcheck lint` trusts the owner references in its input. If the input is the output of `kubectl get pods`, it\n\
         therefore applies the exemptions of a workload to the Pods of the workload. In a cluster, any user who can create\n\
         Pods can write an owner reference. The webhook therefore trusts an owner reference only if a Kubernetes controller,\n\
         or one of the policy's `trustedControllers`, creates the Pod.\n\n\
         The webhook checks PersistentVolumes and claims when they are created or updated. The binding of a claim to a\n\
         PersistentVolume is an update of both. The webhook doesn't deny an update because of errors that the object already\n\
         had. The existing errors of a PersistentVolume or claim therefore don't prevent its binding.\n\n\
         The webhook sees one object at a time and doesn't know the other objects of the cluster. If the claim of a Pod is\n\
         bound to a PersistentVolume with a host path, the webhook therefore doesn't report the host path when it checks the\n\
         Pod. It checks the host path when the PersistentVolume is created.\n\n\
         The claim templates of a StatefulSet are not part of its Pods. The webhook reports findings about a claim template\n\
         when it checks the StatefulSet, not when it checks the Pods.\n",
    );
    page
}

/// Returns the page that lists the formats in which host paths occur, from the comments at the
/// start of the files in `tests/inputs`.
fn inputs_page() -> Result<String, String> {
    let mut page = String::from(
        "# Inputs\n\n\
         Pods, PersistentVolumes and host paths also occur outside of the Kubernetes kinds Pod, PersistentVolume, Deployment\n\
         and so on. The following table lists the formats in which they occur, and shows whether `volcheck lint` checks them.\n\
         The column *since* contains the first version of volcheck for which the row is true. The file in the last column\n\
         tests the row.\n\n\
         | format | fields | checked | since | test |\n|---|---|---|---|---|\n",
    );
    let directory = absolute("tests/inputs");
    let files = fs::read_dir(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut rows = Vec::new();
    for file in files {
        let name = file.map_err(|error| error.to_string())?.file_name().to_string_lossy().into_owned();
        let text = read(&format!("tests/inputs/{name}"))?;
        let header = |key: &str| {
            let prefix = format!("# {key}: ");
            let value = text.lines().find_map(|line| line.strip_prefix(&prefix));
            value.ok_or_else(|| format!("tests/inputs/{name}: no comment `# {key}: …`"))
        };
        let (format, fields) = (header("Format")?, header("Fields")?);
        let (checked, since) = (header("Checked")?, header("Since")?);
        rows.push(format!(
            "| {format} | {fields} | {checked} | {since} | [{name}](../tests/inputs/{name}) |\n"
        ));
    }
    rows.sort();
    page.push_str(&rows.concat());
    page.push_str(
        "\n*Yes, as warnings*: a chart does not necessarily use such values as volumes, so findings about them are at most\n\
         warnings.\n\n\
         *No, counted as not rendered*: volcheck doesn't fetch the chart or the manifests that the object refers to. The\n\
         summary of the report shows the number of these objects. To check the deployed manifests, render them and check the\n\
         output: `helm template --include-crds … | volcheck lint -`.\n",
    );
    Ok(page)
}

/// Returns the page with the help of every command.
fn cli_page() -> Result<String, String> {
    let mut page = String::from("# Command line\n");
    add_help(&mut Vec::new(), &mut page)?;
    Ok(page)
}

/// Adds the help of `command` and, recursively, of its subcommands to the page.
fn add_help(command: &mut Vec<String>, page: &mut String) -> Result<(), String> {
    let arguments: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
    let help = volcheck(&arguments)?;
    let name = [&["volcheck".to_owned()], command.as_slice()].concat().join(" ");
    page.push_str(&format!("\n## {name}\n\n```\n{help}```\n"));
    for subcommand in subcommands(&help) {
        command.push(subcommand.to_owned());
        add_help(command, page)?;
        command.pop();
    }
    Ok(())
}

/// Returns the subcommands in a help text, except `help`.
fn subcommands(help: &str) -> Vec<&str> {
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    list.lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split_once(' '))
        // The lines of a wrapped description have more indentation.
        .map(|(name, _)| name)
        .filter(|name| !name.is_empty() && *name != "help")
        .collect()
}

/// Returns the page about the formats. For each format, it shows the report on `examples/first`.
fn formats_page() -> Result<String, String> {
    let mut page = read("docs/formats.md")?;
    for format in Format::ALL {
        let language = match format {
            Format::Json | Format::Jsonl | Format::Sarif | Format::Gitlab => "json",
            Format::Junit | Format::Checkstyle => "xml",
            Format::Markdown => "markdown",
            Format::Csv => "csv",
            Format::Text | Format::Concise | Format::Github => "",
        };
        let output = volcheck(&["lint", "--format", format.name(), "examples/first"])?;
        page = replace_block(&page, format.name(), &format!("```{language}\n{output}```\n"))?;
    }
    replace_block(&page, "security", &security_table())
}

/// Returns the table of the rules about security, most severe first.
fn security_table() -> String {
    let mut rules: Vec<_> =
        Registry::built_in().iter().filter_map(|rule| Some((rule.id, rule.security()?))).collect();
    rules.sort_by_key(|(_, security)| Reverse(security.severity(Severity::Error)));
    let mut table = "| rule | `security-severity` | controls |\n|---|---|---|\n".to_owned();
    for (id, security) in rules {
        let tags: Vec<_> = security.controls.iter().map(|control| format!("`{}`", control.tag())).collect();
        let tags = if tags.is_empty() { "–".to_owned() } else { tags.join(", ") };
        table.push_str(&format!(
            "| [`{id}`](rules/{id}.md) | {} | {tags} |\n",
            security.severity(Severity::Error)
        ));
    }
    table
}

/// Returns the page about `volcheck paths`, with the list for two examples.
fn paths_page() -> Result<String, String> {
    let list = volcheck(&["paths", "examples/first", "examples/hidden"])?;
    replace_block(&read("docs/paths.md")?, "paths", &format!("```\n{list}```\n"))
}

/// Returns the picture in the README: one finding, as shown in a terminal.
fn picture() -> Result<String, String> {
    let arguments = ["lint", "examples/first", "--select", "writable-host-path"];
    let output = volcheck(&[arguments.as_slice(), &["--color", "always"]].concat())?;
    let session = format!("$ volcheck {}\n{}", arguments.join(" "), output.trim_end());
    // The blue of the default palette is hard to read: on black, its contrast is below 4.5:1.
    let svg = anstyle_svg::Term::new().palette(anstyle_svg::WIN10_CONSOLE).render_svg(&session);
    let size = |name: &str| {
        let (_, rest) = svg.split_once(&format!("{name}=\""))?;
        rest.split_once("px\"")?.0.parse::<usize>().ok()
    };
    let (Some(width), Some(height)) = (size("width"), size("height")) else {
        return Err("the picture has no size".to_owned());
    };
    if width > README_WIDTH {
        return Err(format!(
            "the picture is {width} px wide, more than {README_WIDTH} px: shorten the message or show another rule"
        ));
    }
    let (start, rest) = svg.split_once('>').ok_or("the picture has no tag")?;
    let title = "volcheck reports a hostPath volume that a container can write to";
    Ok(format!("{start} viewBox=\"0 0 {width} {height}\" role=\"img\">\n  <title>{title}</title>{rest}"))
}

/// A value of the chart that has a description, which is the comment above it (`# -- …`).
struct ChartValue {
    /// The keys of the mappings that contain the value, and its own key.
    path: Vec<String>,
    /// The default value in `values.yaml`, or an empty string if it has several lines.
    default: String,
    description: String,
}

/// Returns the described values in `values.yaml`.
fn chart_values() -> Result<Vec<ChartValue>, String> {
    let text = read("charts/volcheck/values.yaml")?;
    let mut values = Vec::new();
    let (mut path, mut description) = (Vec::<&str>::new(), None::<String>);
    for line in text.lines() {
        let content = line.trim_start();
        if let Some(text) = content.strip_prefix("# ") {
            match &mut description {
                Some(description) => *description = format!("{description} {text}"),
                None => description = text.strip_prefix("-- ").map(str::to_owned),
            }
            continue;
        }
        let Some((key, value)) = content.split_once(':') else { continue };
        // The file is indented by two columns per level.
        path.truncate((line.len() - content.len()) / 2);
        path.push(key);
        let Some(description) = description.take() else { continue };
        values.push(ChartValue {
            path: path.iter().copied().map(str::to_owned).collect(),
            default: value.trim().to_owned(),
            description,
        });
    }
    Ok(values)
}

/// Returns the chart's README with the table of its values.
fn chart_readme() -> Result<String, String> {
    let mut table = String::from("| value | default | description |\n|---|---|---|\n");
    for ChartValue { path, default, description } in chart_values()? {
        let name = path.join(".");
        let default = match default.as_str() {
            "" => "see `values.yaml`".to_owned(),
            default => format!("`{default}`"),
        };
        table.push_str(&format!("| `{name}` | {default} | {} |\n", description.replace('|', "\\|")));
    }
    replace_block(&read("charts/volcheck/README.md")?, "values", &table)
}

/// Returns the schema of the chart's values. It includes the schema of the policy, so that Helm
/// rejects an invalid policy. Values that must not be null are required, because Helm removes a
/// value that is set to null.
fn values_schema() -> Result<String, String> {
    let parse = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| error.to_string());
    let mut schema = parse(&read("charts/volcheck/values.schema.json")?)?;
    let mut policy = parse(&volcheck::policy::schema())?;
    schema["$defs"] = policy["$defs"].take();
    let policy = policy.as_object_mut().ok_or("the schema of the policy is not an object")?;
    // The chart adds the `version` of the policy if the values don't set it.
    for key in ["$defs", "$schema", "required", "title"] {
        policy.remove(key);
    }
    schema["properties"]["policy"] = Value::Object(std::mem::take(policy));
    let mut required: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for ChartValue { path, .. } in chart_values()? {
        // The JSON pointer of the schema of the mapping that contains the value.
        let mut pointer = String::new();
        for (index, key) in path.iter().enumerate() {
            let child = format!("{pointer}/properties/{key}");
            let is_mapping = index + 1 < path.len();
            if is_mapping || !schema.pointer(&child).is_some_and(allows_null) {
                required.entry(pointer).or_default().insert(key.clone());
            }
            pointer = child;
        }
    }
    for (pointer, keys) in required {
        let node = schema.pointer_mut(&pointer);
        let node = node.ok_or_else(|| format!("values.schema.json does not contain `{pointer}`"))?;
        node["required"] = keys.into_iter().collect();
    }
    Ok(serde_json::to_string_pretty(&schema).map_err(|error| error.to_string())? + "\n")
}

/// Checks whether a schema allows null.
fn allows_null(schema: &Value) -> bool {
    let is_null = |name: &Value| name == "null";
    let alternatives = schema["anyOf"].as_array().into_iter().flatten();
    schema["type"].as_array().is_some_and(|types| types.iter().any(is_null))
        || alternatives.map(|schema| &schema["type"]).any(is_null)
}

/// Returns the README with its generated blocks: the output of its first command, a diff and the
/// table of rules.
fn readme(table: &str) -> Result<String, String> {
    let output = volcheck(&["lint", "examples/first"])?;
    let page = replace_block(&read("README.md")?, "first", &format!("```\n{output}```\n"))?;
    let diff = volcheck(&["lint", "--diff", "--unsafe-fixes", "examples/fix"])?;
    let page = replace_block(&page, "fix", &format!("```diff\n{diff}```\n"))?;
    replace_block(&page, "rules", table)
}

/// Replaces the content between `<!-- NAME: generated -->` and `<!-- NAME: end -->`.
fn replace_block(page: &str, name: &str, content: &str) -> Result<String, String> {
    let (start, end) = (format!("<!-- {name}: generated -->\n"), format!("<!-- {name}: end -->"));
    let missing =
        |marker: &str| format!("a generated page does not contain the marker `{}`", marker.trim_end());
    let (before, rest) = page.split_once(&start).ok_or_else(|| missing(&start))?;
    let (_, after) = rest.split_once(&end).ok_or_else(|| missing(&end))?;
    Ok(format!("{before}{start}{}\n{end}{after}", content.trim_end()))
}

/// Creates a rule that reports Pods named `bad`: its file, its fixtures and its entries in
/// `src/rules/mod.rs`.
fn new_rule(id: &str, group: &str) -> Result<(), String> {
    let names = Group::ALL.map(|group| format!("{group:?}"));
    let Some(index) = names.iter().position(|name| name == group) else {
        return Err(format!("unknown group `{group}`, expected one of {}", names.join(", ")));
    };
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    if !id.bytes().all(is_allowed) || id.starts_with('-') || id.ends_with('-') {
        return Err(format!("invalid id `{id}`, expected lowercase words joined by hyphens"));
    }
    let module = id.replace('-', "_");
    let file = format!("src/rules/{module}.rs");
    if absolute(&file).exists() {
        return Err(format!("{file} already exists"));
    }
    let list = add_to_list(&read("src/rules/mod.rs")?, &module, Group::ALL[index])?;
    let rule = include_str!("rule.rs.txt")
        .replace("{id}", id)
        .replace("{module}", &module)
        .replace("{group}", group);
    let pod = include_str!("rule.yaml.txt");
    let fixtures = format!("tests/fixtures/{id}");
    write("src/rules/mod.rs", &list)?;
    write(&file, &rule)?;
    write(&format!("{fixtures}/bad/first.yaml"), &pod.replace("{name}", &format!("bad # finding: {id}")))?;
    write(&format!("{fixtures}/good/first.yaml"), &pod.replace("{name}", "good"))?;
    write(&format!("{fixtures}/output.txt"), "")?;
    println!("Created {file}. Write the page and the check, then run `VOLCHECK_BLESS=1 cargo test`.");
    Ok(())
}

/// Adds a rule to the text of `src/rules/mod.rs`: to the `mod` lines, which are sorted, and to
/// `RULES`, as the last rule of its group.
fn add_to_list(text: &str, module: &str, group: Group) -> Result<String, String> {
    let missing_line = || format!("src/rules/mod.rs does not contain the line to insert `{module}` at");
    let rules = || Registry::built_in().iter().map(|rule| (rule, rule.id.as_str().replace('-', "_")));
    let insert = |text: &str, at: usize, line: &str| format!("{}{line}{}", &text[..at], &text[at..]);
    // Insert before the first `mod` line of a rule whose name sorts after `module`, or after the
    // last `mod` line.
    let following = rules().map(|(_, name)| name).filter(|name| name.as_str() > module).min();
    let at = match following {
        Some(name) => text.find(&format!("mod {name};\n")),
        None => text.rfind("\nmod ").and_then(|at| Some(at + 2 + text[at + 1..].find('\n')?)),
    };
    let text = insert(text, at.ok_or_else(missing_line)?, &format!("mod {module};\n"));
    let (_, last) = rules().filter(|(rule, _)| rule.group == group).last().ok_or_else(missing_line)?;
    let entry = format!("    {last}::RULE,\n");
    let at = text.find(&entry).ok_or_else(missing_line)? + entry.len();
    Ok(insert(&text, at, &format!("    {module}::RULE,\n")))
}

/// Returns the absolute path of a file of the repository.
fn absolute(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(absolute(path)).map_err(|error| format!("{path}: {error}"))
}

/// Writes a file and creates its directory if it doesn't exist.
fn write(path: &str, text: &str) -> Result<(), String> {
    let file = absolute(path);
    let directory = file.parent().unwrap_or(&file);
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(&file, text))
        .map_err(|error| format!("{path}: {error}"))
}
