//! Checks PromQL queries against metrics: each metric and label of a query must exist, and each
//! label matcher must match a value. Supports the part of PromQL that the chart and the
//! documentation use, and rejects everything else. `tests/monitoring.sh` checks the syntax with
//! Prometheus itself.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::sync::LazyLock;
use std::vec::IntoIter;

use regex::Regex;

/// The labels that Prometheus adds to each scraped metric.
const TARGET_LABELS: [&str; 5] = ["job", "instance", "namespace", "pod", "container"];

const AGGREGATIONS: [&str; 8] = ["sum", "min", "max", "avg", "count", "group", "topk", "bottomk"];

/// The names and the values of the labels of a metric. The values are `None` if they are unknown.
type Labels = BTreeMap<String, Option<BTreeSet<String>>>;

/// The metrics that queries can use, by the name of the time series.
#[derive(Clone, Debug, Default)]
pub struct Catalog(BTreeMap<String, Metric>);

#[derive(Clone, Debug)]
pub struct Metric {
    /// `counter`, `gauge`, `histogram`, `summary` or `info`, or `recorded` for a recording rule.
    pub kind: String,
    pub help: String,
    pub labels: Labels,
}

impl Catalog {
    /// Returns the metrics in the output of a metrics endpoint, in the OpenMetrics format or the
    /// older text format of Prometheus.
    pub fn from_exposition(text: &str) -> Self {
        let comments = |start: &'static str| {
            let lines = text.lines().filter_map(move |line| line.strip_prefix(start)?.split_once(' '));
            lines.collect::<BTreeMap<&str, &str>>()
        };
        let (kinds, helps) = (comments("# TYPE "), comments("# HELP "));
        let mut catalog = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (series, _) = line.rsplit_once(' ').expect("a sample");
            let (name, matchers) = Query::parse(series, &catalog).selector().expect("a series");
            let suffixes = ["", "_total", "_bucket", "_sum", "_count", "_info"];
            let family = suffixes.iter().find_map(|suffix| {
                let family = name.strip_suffix(suffix)?;
                kinds.contains_key(family).then_some(family)
            });
            let family = family.unwrap_or_else(|| panic!("`{name}` has no type"));
            let metric = catalog.0.entry(name.clone()).or_insert_with(|| Metric {
                kind: kinds[family].to_owned(),
                help: helps
                    .get(family)
                    .map_or_else(String::new, |help| help.trim_end_matches('.').to_owned()),
                labels: Labels::new(),
            });
            for Matcher { label, value, .. } in matchers {
                metric
                    .labels
                    .entry(label)
                    .or_insert_with(|| Some(BTreeSet::new()))
                    .get_or_insert_default()
                    .insert(value);
            }
        }
        catalog
    }

    /// Returns the metrics in a table with the columns metric, type, labels and description.
    pub fn from_table(table: &str) -> Self {
        let names =
            |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
        let rows = table.lines().filter(|line| line.starts_with("| `")).map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let labels = names(cells[2]).into_iter().map(|label| (label, None)).collect();
            let metric = Metric { kind: cells[1].to_owned(), help: cells[3].to_owned(), labels };
            (names(cells[0]).remove(0), metric)
        });
        Self(rows.flat_map(|(name, metric)| series_of(name, metric)).collect())
    }

    /// Returns a table that [`from_table`](Self::from_table) can read.
    pub fn to_table(&self) -> String {
        let mut table = "| metric | type | labels | description |\n|---|---|---|---|\n".to_owned();
        for (name, Metric { kind, help, labels }) in &self.0 {
            let name = match (kind.as_str(), name.strip_suffix("_bucket")) {
                ("histogram", None) => continue,
                (_, name_of_histogram) => name_of_histogram.unwrap_or(name),
            };
            let labels = labels.keys().filter(|label| *label != "le").map(|label| format!("`{label}`"));
            let labels = labels.collect::<Vec<_>>().join(", ");
            let labels = if labels.is_empty() { "–".to_owned() } else { labels };
            table.push_str(&format!("| `{name}` | {kind} | {labels} | {} |\n", help.replace('|', "\\|")));
        }
        table
    }

    #[allow(dead_code, reason = "only the end-to-end tests use it")]
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|name, _| keep(name));
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Adds the metric that a recording rule creates.
    pub fn record(&mut self, name: &str, labels: &BTreeSet<String>) {
        let labels = labels.iter().map(|label| (label.clone(), None)).collect();
        self.0.insert(name.to_owned(), Metric { kind: "recorded".to_owned(), help: String::new(), labels });
    }

    /// Checks a query. Returns the labels of its result.
    pub fn check(&self, query: &str) -> Result<BTreeSet<String>, String> {
        let mut parser = Query::parse(query, self);
        let result = parser.expression(0).and_then(|value| match parser.tokens.next() {
            None => Ok(value.labels),
            Some(token) => Err(format!("unexpected {token:?}")),
        });
        result.map_err(|error| format!("{error}, in the query `{query}`"))
    }

    /// Checks that a time series, such as `up{pod="a"}`, has the name and the labels of a metric.
    pub fn check_series(&self, series: &str) -> Result<(), String> {
        let (name, mut matchers) = Query::parse(series, self).selector()?;
        // The tests of alerts may use other values.
        matchers.iter_mut().for_each(|matcher| matcher.operator = "!=");
        self.select(&name, &matchers).map(drop)
    }

    /// Returns the labels of the series that a selector matches.
    fn select(&self, name: &str, matchers: &[Matcher]) -> Result<Value, String> {
        let metric = self.0.get(name).ok_or_else(|| format!("there is no metric `{name}`"))?;
        let is_recorded = metric.kind == "recorded";
        let mut labels: BTreeSet<String> = metric.labels.keys().cloned().collect();
        if !is_recorded {
            labels.extend(TARGET_LABELS.map(str::to_owned));
        }
        for Matcher { label, operator, value } in matchers {
            if !labels.contains(label) {
                return Err(format!("metric `{name}` has no label `{label}`"));
            }
            let Some(Some(values)) = metric.labels.get(label) else { continue };
            let is_known = match *operator {
                "=" => values.contains(value),
                "=~" => {
                    let pattern = Regex::new(&format!("^(?:{value})$")).map_err(|error| error.to_string())?;
                    values.iter().any(|known| pattern.is_match(known))
                }
                _ => true,
            };
            if !is_known {
                return Err(format!(
                    "label `{label}` of metric `{name}` has the values {values:?}, not `{value}`"
                ));
            }
        }
        let is_cumulative = matches!(metric.kind.as_str(), "counter" | "histogram" | "summary");
        Ok(Value { kind: ValueKind::Vector, labels, is_cumulative })
    }
}

/// Returns the time series of a metric in a table: for a histogram, these are three.
fn series_of(name: String, metric: Metric) -> Vec<(String, Metric)> {
    if metric.kind != "histogram" {
        return vec![(name, metric)];
    }
    let mut bucket = metric.clone();
    bucket.labels.insert("le".to_owned(), None);
    let others = ["sum", "count"].map(|suffix| (format!("{name}_{suffix}"), metric.clone()));
    [(format!("{name}_bucket"), bucket)].into_iter().chain(others).collect()
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A name, a keyword, a number or a duration.
    Word(String),
    Text(String),
    Symbol(&'static str),
}

/// Splits a query into tokens.
fn tokens(query: &str) -> Vec<Token> {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"\s+|#[^\n]*|([\w:.]*[a-zA-Z0-9_][\w:.]*)|"((?:[^"\\]|\\.)*)"|([=!]~|[=!<>]=|[-+*/%^<>=(){}\[\],@])|."#)
            .expect("a pattern")
    });
    const SYMBOLS: [&str; 24] = [
        "=~", "!~", "==", "!=", "<=", ">=", "-", "+", "*", "/", "%", "^", "<", ">", "=", "(", ")", "{", "}",
        "[", "]", ",", "@", "?",
    ];
    let token = |found: regex::Captures<'_>| {
        let group = |index| found.get(index).map(|group| group.as_str());
        let symbol = |text| SYMBOLS.into_iter().find(|symbol| *symbol == text).unwrap_or("?");
        match (group(1), group(2), group(3)) {
            (Some(word), ..) => Some(Token::Word(word.to_owned())),
            (_, Some(text), _) => Some(Token::Text(text.replace(r#"\""#, "\"").replace(r"\\", r"\"))),
            (.., Some(text)) => Some(Token::Symbol(symbol(text))),
            _ if found[0].trim().is_empty() || found[0].starts_with('#') => None,
            _ => Some(Token::Symbol("?")),
        }
    };
    PATTERN.captures_iter(query).filter_map(token).collect()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum ValueKind {
    Scalar,
    Vector,
    Range,
}

/// A label matcher, such as `kind="panic"`.
struct Matcher {
    label: String,
    operator: &'static str,
    value: String,
}

/// The type of an expression.
struct Value {
    kind: ValueKind,
    labels: BTreeSet<String>,
    /// Whether the values are those of a counter or histogram.
    is_cumulative: bool,
}

impl Value {
    const SCALAR: Self = Self { kind: ValueKind::Scalar, labels: BTreeSet::new(), is_cumulative: false };

    fn vector(labels: BTreeSet<String>) -> Self {
        Self { kind: ValueKind::Vector, labels, is_cumulative: false }
    }
}

/// The parser of a query.
struct Query<'a> {
    tokens: Peekable<IntoIter<Token>>,
    catalog: &'a Catalog,
}

impl<'a> Query<'a> {
    fn parse(query: &str, catalog: &'a Catalog) -> Self {
        Self { tokens: tokens(query).into_iter().peekable(), catalog }
    }

    fn accept(&mut self, symbol: &'static str) -> bool {
        self.tokens.next_if_eq(&Token::Symbol(symbol)).is_some()
    }

    fn expect(&mut self, symbol: &'static str) -> Result<(), String> {
        if self.accept(symbol) {
            Ok(())
        } else {
            Err(format!("expected `{symbol}`, found {:?}", self.tokens.peek()))
        }
    }

    fn word(&mut self) -> Result<String, String> {
        match self.tokens.next() {
            Some(Token::Word(word)) => Ok(word),
            token => Err(format!("expected a name, found {token:?}")),
        }
    }

    /// Accepts one of these words.
    fn keyword(&mut self, words: &[&str]) -> Option<String> {
        let is_keyword = |token: &Token| matches!(token, Token::Word(word) if words.contains(&word.as_str()));
        self.tokens.next_if(is_keyword).and_then(|token| match token {
            Token::Word(word) => Some(word),
            _ => None,
        })
    }

    /// Parses an expression whose operators have at least this precedence.
    fn expression(&mut self, lowest: usize) -> Result<Value, String> {
        const OPERATORS: [&[&str]; 6] = [
            &["or"],
            &["and", "unless"],
            &["==", "!=", "<=", "<", ">=", ">"],
            &["+", "-"],
            &["*", "/", "%"],
            &["^"],
        ];
        let mut left = self.operand()?;
        loop {
            let operator = match self.tokens.peek() {
                Some(Token::Word(word)) => word.clone(),
                Some(Token::Symbol(symbol)) => (*symbol).to_owned(),
                _ => return Ok(left),
            };
            let precedence = OPERATORS.iter().position(|level| level.contains(&operator.as_str()));
            let Some(precedence) = precedence.filter(|precedence| *precedence >= lowest) else {
                return Ok(left);
            };
            self.tokens.next();
            let right = self.expression(precedence + 1)?;
            left = binary(&operator, left, right)?;
        }
    }

    fn operand(&mut self) -> Result<Value, String> {
        self.accept("-");
        let mut value = self.primary()?;
        loop {
            if self.accept("[") {
                self.word()?;
                self.expect("]")?;
                if value.kind != ValueKind::Vector {
                    return Err("a range of something other than a vector".to_owned());
                }
                value.kind = ValueKind::Range;
            } else if self.keyword(&["offset"]).is_some() {
                self.word()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn primary(&mut self) -> Result<Value, String> {
        if self.accept("(") {
            let value = self.expression(0)?;
            self.expect(")")?;
            return Ok(value);
        }
        let Some(Token::Word(word)) = self.tokens.peek().cloned() else {
            return Err(format!("unexpected {:?}", self.tokens.peek()));
        };
        if word.starts_with(|first: char| first.is_ascii_digit()) {
            self.tokens.next();
            return Ok(Value::SCALAR);
        }
        if AGGREGATIONS.contains(&word.as_str()) {
            self.tokens.next();
            return self.aggregation(&word);
        }
        let mut rest = self.tokens.clone();
        rest.next();
        if rest.peek() == Some(&Token::Symbol("(")) {
            self.tokens.next();
            return call(&word, self.arguments()?);
        }
        let (name, matchers) = self.selector()?;
        self.catalog.select(&name, &matchers)
    }

    fn aggregation(&mut self, name: &str) -> Result<Value, String> {
        let grouping = |parser: &mut Self| match parser.keyword(&["by", "without"]) {
            Some(keyword) => Ok::<_, String>(Some((keyword, parser.label_list()?))),
            None => Ok(None),
        };
        let before = grouping(self)?;
        let mut arguments = self.arguments()?;
        let clause = match before {
            None => grouping(self)?,
            before => before,
        };
        let value = arguments.pop().filter(|value| value.kind == ValueKind::Vector);
        let value = value.ok_or_else(|| format!("`{name}` of something other than a vector"))?;
        let Some((keyword, labels)) = clause else {
            let keeps_labels = ["topk", "bottomk"].contains(&name);
            return Ok(Value::vector(if keeps_labels { value.labels } else { BTreeSet::new() }));
        };
        if let Some(label) = labels.difference(&value.labels).next() {
            return Err(format!("no series in `{name} {keyword}` has the label `{label}`"));
        }
        Ok(Value::vector(if keyword == "by" { labels } else { &value.labels - &labels }))
    }

    fn arguments(&mut self) -> Result<Vec<Value>, String> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        while !self.accept(")") {
            arguments.push(self.expression(0)?);
            if !self.accept(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(arguments)
    }

    fn label_list(&mut self) -> Result<BTreeSet<String>, String> {
        self.expect("(")?;
        let mut labels = BTreeSet::new();
        while !self.accept(")") {
            labels.insert(self.word()?);
            self.accept(",");
        }
        Ok(labels)
    }

    /// Parses a metric name with optional label matchers.
    fn selector(&mut self) -> Result<(String, Vec<Matcher>), String> {
        let name = self.word()?;
        let mut matchers = Vec::new();
        if self.accept("{") {
            while !self.accept("}") {
                let label = self.word()?;
                let operator = match self.tokens.next() {
                    Some(Token::Symbol(operator)) if ["=", "!=", "=~", "!~"].contains(&operator) => operator,
                    token => return Err(format!("expected a matcher, found {token:?}")),
                };
                let Some(Token::Text(value)) = self.tokens.next() else {
                    return Err(format!("the matcher of label `{label}` has no value"));
                };
                matchers.push(Matcher { label, operator, value });
                self.accept(",");
            }
        }
        Ok((name, matchers))
    }
}

/// Returns the result of a binary operator. Both vectors must have the same labels, because the
/// keywords `on` and `ignoring` are not supported.
fn binary(operator: &str, left: Value, right: Value) -> Result<Value, String> {
    match (left.kind, right.kind) {
        (ValueKind::Scalar, ValueKind::Scalar) => Ok(Value::SCALAR),
        (ValueKind::Vector, ValueKind::Scalar) => Ok(Value::vector(left.labels)),
        (ValueKind::Scalar, ValueKind::Vector) => Ok(Value::vector(right.labels)),
        (ValueKind::Vector, ValueKind::Vector) if left.labels == right.labels => {
            Ok(Value::vector(left.labels))
        }
        (ValueKind::Vector, ValueKind::Vector) => Err(format!(
            "`{operator}` of series with different labels: {:?} and {:?}",
            left.labels, right.labels
        )),
        _ => Err(format!("`{operator}` of a range")),
    }
}

/// Returns the result of a function.
fn call(name: &str, mut arguments: Vec<Value>) -> Result<Value, String> {
    let kinds: Vec<ValueKind> = arguments.iter().map(|argument| argument.kind).collect();
    match (name, kinds.as_slice()) {
        ("time", []) => return Ok(Value::SCALAR),
        ("absent", [ValueKind::Vector]) => return Ok(Value::vector(BTreeSet::new())),
        _ => {}
    }
    let Value { mut labels, is_cumulative, .. } = arguments.pop().ok_or_else(|| format!("`{name}()`"))?;
    match (name, kinds.as_slice()) {
        ("rate" | "increase", [ValueKind::Range]) if is_cumulative => {}
        ("max_over_time" | "min_over_time" | "last_over_time", [ValueKind::Range]) => {}
        ("histogram_quantile", [ValueKind::Scalar, ValueKind::Vector]) if labels.remove("le") => {}
        _ => return Err(format!("unsupported call of `{name}` (the metric may have the wrong type)")),
    }
    Ok(Value::vector(labels))
}
