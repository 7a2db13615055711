//! `checkstyle`: Checkstyle XML, for Jenkins and review bots.

use std::collections::BTreeMap;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, Event};

use super::junit::xml;
use super::{Style, severity_name};
use crate::lint::{LocatedFinding, Report};

pub(super) fn render(report: &Report, style: Style) -> String {
    let mut files: BTreeMap<&str, Vec<&LocatedFinding>> = BTreeMap::new();
    for located in report.unsuppressed(style.min_severity) {
        files.entry(located.file_name()).or_default().push(located);
    }
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Writing to a vector never fails.
    let _ = document(&mut writer, &files);
    let mut out = String::from_utf8(writer.into_inner()).unwrap_or_default();
    out.push('\n');
    out
}

fn document(writer: &mut Writer<Vec<u8>>, files: &BTreeMap<&str, Vec<&LocatedFinding>>) -> io::Result<()> {
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let root = writer.create_element("checkstyle").with_attribute(("version", "4.3"));
    if files.is_empty() {
        root.write_empty()?;
        return Ok(());
    }
    root.write_inner_content(|writer| {
        for (path, findings) in files {
            let file = writer.create_element("file").with_attribute(("name", xml(path).as_str()));
            file.write_inner_content(|writer| {
                findings.iter().try_for_each(|located| error(writer, located))
            })?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Writes the `error` element of a finding. In Checkstyle XML, findings of all severities are
/// `error` elements.
fn error(writer: &mut Writer<Vec<u8>>, located: &LocatedFinding) -> io::Result<()> {
    let (line, column) = located.line_and_column();
    let attributes = [
        ("line", line.to_string()),
        ("column", column.to_string()),
        ("severity", severity_name(located.finding.severity, "info").to_owned()),
        ("message", xml(&located.message_with_help()).into_string()),
        ("source", format!("volcheck.{}", located.finding.rule)),
    ];
    let attributes = attributes.iter().map(|(name, value)| (*name, value.as_str()));
    writer.create_element("error").with_attributes(attributes).write_empty()?;
    Ok(())
}
