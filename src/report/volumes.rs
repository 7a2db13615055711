//! The formats of `volcheck paths`: a table for people, CSV and JSON.

use std::str::FromStr;

use serde::Serialize;

use super::csv::{Table, access, boolean};
use super::json::{Object, TOOL, Tool, VERSION, object, pretty};
use crate::finding::{Access, RuleId};
use crate::lint::{VolumeOrigin, VolumeRow};
use crate::model::{ObjectId, did_you_mean, printable};

/// The JSON Schema of the format `json`.
pub const VOLUMES_SCHEMA: &str = include_str!("../../docs/reference/paths.schema.json");

/// A format of the list of volumes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VolumesFormat {
    /// A table for people.
    #[default]
    Text,
    /// CSV (RFC 4180) with a header.
    Csv,
    /// One JSON document.
    Json,
}

impl FromStr for VolumesFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.iter().map(|format| format.name());
        Self::ALL
            .into_iter()
            .find(|format| format.name() == text)
            .ok_or_else(|| format!("unknown format `{text}`{}", did_you_mean(text, names)))
    }
}

impl VolumesFormat {
    /// All formats, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Text, Self::Csv, Self::Json];

    /// Returns the name of the format on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

/// Renders the volumes.
pub fn volumes(rows: &[VolumeRow], format: VolumesFormat) -> String {
    let entries: Vec<Entry<'_>> = rows.iter().map(Entry::new).collect();
    match format {
        VolumesFormat::Text => text(&entries),
        VolumesFormat::Csv => csv(&entries),
        VolumesFormat::Json => pretty(&Document { version: VERSION, tool: TOOL, volumes: entries }),
    }
}

#[derive(Serialize)]
struct Document<'r> {
    version: u32,
    tool: Tool,
    volumes: Vec<Entry<'r>>,
}

/// A row. Texts are empty if they do not apply to the type of the volume.
#[derive(Serialize)]
struct Entry<'r> {
    file: &'r str,
    line: usize,
    rendered: bool,
    object: Object<'r>,
    #[serde(skip)]
    id: &'r ObjectId,
    container: &'r str,
    volume: &'r str,
    #[serde(rename = "type")]
    volume_type: &'static str,
    host_path: &'r str,
    host_path_type: &'r str,
    class: &'static str,
    claim: &'r str,
    medium: &'r str,
    size_limit: &'r str,
    mount_path: &'r str,
    sub_path: &'r str,
    access: Option<Access>,
    findings: &'r [RuleId],
    suppressed: &'r [RuleId],
}

impl<'r> Entry<'r> {
    fn new(row: &'r VolumeRow) -> Self {
        let mut entry = Self {
            file: &row.path,
            line: row.span.start.line,
            rendered: row.is_rendered,
            object: object(&row.object),
            id: &row.object,
            container: &row.container,
            volume: &row.volume,
            volume_type: "emptyDir",
            host_path: "",
            host_path_type: "",
            class: "",
            claim: "",
            medium: "",
            size_limit: "",
            mount_path: &row.mount_path,
            sub_path: &row.sub_path,
            access: row.access,
            findings: &row.findings,
            suppressed: &row.suppressed,
        };
        match &row.source {
            VolumeOrigin::HostPath { key, path, host_path_type, class, .. } => {
                (entry.volume_type, entry.host_path, entry.host_path_type, entry.class) =
                    (key, path, host_path_type, class);
            }
            VolumeOrigin::Claim { key, name } => (entry.volume_type, entry.claim) = (key, name),
            VolumeOrigin::EmptyDir { medium, size_limit } => {
                (entry.medium, entry.size_limit) = (medium, size_limit);
            }
        }
        entry
    }
}

fn names(rules: &[RuleId]) -> String {
    rules.iter().map(|rule| rule.as_str()).collect::<Vec<_>>().join(" ")
}

/// The number of columns of the table.
const COLUMNS: usize = 8;

fn text(entries: &[Entry<'_>]) -> String {
    let header = ["OBJECT", "CONTAINER", "TYPE", "SOURCE", "MOUNTED AT", "ACCESS", "CLASS", "FINDINGS"];
    let rows: Vec<[String; COLUMNS]> =
        std::iter::once(header.map(str::to_owned)).chain(entries.iter().map(cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

fn cells(entry: &Entry<'_>) -> [String; COLUMNS] {
    let source = match entry.volume_type {
        "emptyDir" => [entry.medium, entry.size_limit].iter().filter(|text| !text.is_empty()).fold(
            String::new(),
            |out, text| {
                if out.is_empty() { (*text).to_owned() } else { format!("{out}, {text}") }
            },
        ),
        _ => format!("{}{}", entry.host_path, entry.claim),
    };
    let volume_type = match entry.host_path_type {
        "" => entry.volume_type.to_owned(),
        host_path_type => format!("{} ({host_path_type})", entry.volume_type),
    };
    let mounted_at = match entry.sub_path {
        "" => entry.mount_path.to_owned(),
        sub_path => format!("{} (subPath {sub_path})", entry.mount_path),
    };
    let findings = names(entry.findings);
    let findings = match entry.suppressed {
        [] => findings,
        suppressed => format!("{findings} (suppressed: {})", names(suppressed)).trim_start().to_owned(),
    };
    let cells = [
        entry.id.to_string(),
        entry.container.to_owned(),
        volume_type,
        source,
        mounted_at,
        access(entry.access).to_owned(),
        entry.class.to_owned(),
        findings,
    ];
    cells.map(|cell| if cell.is_empty() { "-".to_owned() } else { printable(&cell).into_owned() })
}

fn csv(entries: &[Entry<'_>]) -> String {
    let mut out = Table::new(&[
        "file",
        "line",
        "rendered",
        "kind",
        "namespace",
        "name",
        "container",
        "volume",
        "type",
        "host_path",
        "host_path_type",
        "class",
        "claim",
        "medium",
        "size_limit",
        "mount_path",
        "sub_path",
        "access",
        "findings",
        "suppressed",
    ]);
    for entry in entries {
        out.row(&[
            entry.file,
            &entry.line.to_string(),
            boolean(entry.rendered),
            &entry.id.kind,
            &entry.id.namespace,
            &entry.id.name,
            entry.container,
            entry.volume,
            entry.volume_type,
            entry.host_path,
            entry.host_path_type,
            entry.class,
            entry.claim,
            entry.medium,
            entry.size_limit,
            entry.mount_path,
            entry.sub_path,
            access(entry.access),
            &names(entry.findings),
            &names(entry.suppressed),
        ]);
    }
    out.into_text()
}
