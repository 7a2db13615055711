//! The commands that a container runs, according to its command and arguments.

use std::collections::HashMap;

use crate::model::{Container, expand};

/// The commands that a container runs.
#[derive(Debug, Default)]
pub(crate) struct CommandLine {
    pub(crate) commands: Vec<Command>,
    /// Whether the object sets the program. If not, the words are arguments of the program in the
    /// image.
    pub(crate) sets_program: bool,
    /// The environment variables that a shell script sets.
    pub(crate) variables: HashMap<String, String>,
}

/// A program with its arguments, or only arguments of the image's entrypoint.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// The words, without wrappers such as `exec` and `tini`. There is at least one.
    pub(crate) words: Vec<String>,
}

impl Command {
    /// Returns the file name of the program; empty if the command starts with an option.
    pub(crate) fn program(&self) -> &str {
        if self.words[0].starts_with('-') { "" } else { file_name(&self.words[0]) }
    }
}

impl CommandLine {
    /// Returns the commands of a container. `variables` are its environment variables.
    pub(crate) fn new(container: &Container<'_>, variables: &HashMap<&str, String>) -> Self {
        let value = |name: &str| variables.get(name).map(String::as_str);
        let words = container.command.iter().chain(container.args.iter());
        let words: Vec<String> =
            words.map(|word| expand(word, value).unwrap_or_else(|| (**word).to_owned())).collect();
        let words = without_wrappers(words);
        let is_script = |word: &String| word.ends_with(".sh") || script(&words).is_some();
        let sets_program = !container.command.is_empty() || words.first().is_some_and(is_script);
        let mut line = Self { sets_program, ..Self::default() };
        match script(&words) {
            Some(script) => Scanner::new(script, value).run(&mut line),
            None => line.push(words),
        }
        line
    }

    fn push(&mut self, words: Vec<String>) {
        let words = without_wrappers(words);
        if !words.is_empty() {
            self.commands.push(Command { words });
        }
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Returns the name and the value of a shell assignment such as `NAME=value`. Returns `None` for
/// other words.
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some((name, value))
}

/// Removes wrappers such as `exec` and `tini`, which run the program in their arguments. Also
/// removes the options of the wrappers.
fn without_wrappers(mut words: Vec<String>) -> Vec<String> {
    let mut start = 0;
    while let Some(word) = words.get(start) {
        let name = file_name(word);
        let is_option = |word: &String| word.starts_with('-') || assignment(word).is_some();
        let options = || words[start + 1..].iter().take_while(|word| is_option(word)).count();
        start += match name {
            "exec" | "env" | "tini" | "dumb-init" | "nohup" | "time" | "sudo" | "nice" | "catatonit" => {
                1 + options()
            }
            // The next argument is a user.
            "gosu" | "su-exec" => 2 + options(),
            // An entrypoint script adds the program if the first argument is an option.
            _ if name.ends_with("entrypoint.sh") && words.len() > start + 1 && options() == 0 => 1,
            _ => break,
        };
    }
    words.drain(..start.min(words.len()));
    words
}

/// Returns the script of a command such as `sh -c SCRIPT`. Returns `None` for other commands.
fn script(words: &[String]) -> Option<&str> {
    if !matches!(file_name(words.first()?), "sh" | "bash" | "ash" | "dash" | "busybox") {
        return None;
    }
    let mut is_script = false;
    let mut words = words[1..].iter();
    while let Some(word) = words.next() {
        if word == "sh" {
            continue;
        }
        let Some(options) = word.strip_prefix(['-', '+']) else {
            return is_script.then_some(word);
        };
        let is_short = !options.starts_with('-');
        is_script |= is_short && options.contains('c');
        if is_short && options.contains('o') {
            words.next();
        }
    }
    None
}

/// Splits a shell script into commands. Control structures are not evaluated: all of their commands
/// are returned. Command substitutions remain unexpanded.
struct Scanner<'s, V> {
    rest: std::iter::Peekable<std::str::Chars<'s>>,
    environment: V,
    words: Vec<String>,
    /// The current word; `None` between words.
    word: Option<String>,
    /// Whether the next word is the target of a redirection.
    is_target: bool,
    /// The delimiters of the here-documents that start at the next line.
    here_documents: Vec<String>,
    /// The number of bytes that further values of variables may add to the words. Without a limit,
    /// thousands of words could each contain a long value.
    remaining: usize,
}

impl<'s, 'v, V: Fn(&str) -> Option<&'v str>> Scanner<'s, V> {
    fn new(script: &'s str, environment: V) -> Self {
        Self {
            rest: script.chars().peekable(),
            environment,
            words: Vec::new(),
            word: None,
            is_target: false,
            here_documents: Vec::new(),
            remaining: MAX_VALUES_LEN,
        }
    }

    fn run(mut self, line: &mut CommandLine) {
        while let Some(c) = self.rest.next() {
            match c {
                '\'' => self.quoted(),
                '"' => self.double_quoted(line),
                '\\' => self.escaped(),
                '$' => self.expansion(line),
                '`' => self.skip_to('`'),
                '#' if self.word.is_none() => while self.rest.next_if(|c| *c != '\n').is_some() {},
                '<' | '>' => self.redirection(c),
                '\n' => {
                    self.end_command(line);
                    self.skip_here_documents();
                }
                ';' | '&' | '|' | '(' | ')' => self.end_command(line),
                c if c.is_whitespace() => self.end_word(),
                c => self.push(c),
            }
        }
        self.end_command(line);
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn quoted(&mut self) {
        self.word.get_or_insert_default();
        while let Some(c) = self.rest.next().filter(|c| *c != '\'') {
            self.push(c);
        }
    }

    fn double_quoted(&mut self, line: &CommandLine) {
        self.word.get_or_insert_default();
        while let Some(c) = self.rest.next().filter(|c| *c != '"') {
            match c {
                '\\' => self.escaped(),
                '$' => self.expansion(line),
                c => self.push(c),
            }
        }
    }

    /// Reads the character after a backslash. A line continuation is removed.
    fn escaped(&mut self) {
        if let Some(c) = self.rest.next().filter(|c| *c != '\n') {
            self.push(c);
        }
    }

    /// Reads an expansion after `$`. Replaces a variable if its value is known.
    fn expansion(&mut self, line: &CommandLine) {
        self.push('$');
        match self.rest.peek() {
            Some('(') => return self.substitution(),
            Some('{') => {}
            _ => {
                let mut name = String::new();
                while let Some(c) = self.rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                }
                return self.push_value(&name, &name, line);
            }
        }
        let expression: String = self.rest.by_ref().take_while(|c| *c != '}').collect();
        let name = &expression[1..];
        // If the variable is unknown, `${NAME:-default}` is kept as it is. The default may not
        // apply, because the image may set the variable.
        self.push_value(
            name.split_once(":-").map_or(name, |(name, _)| name),
            &format!("{expression}}}"),
            line,
        );
    }

    /// Replaces the `$` at the end of the word with the value of the variable `name`. If the value
    /// is unknown or too long, keeps the `$` and appends `text`.
    fn push_value(&mut self, name: &str, text: &str, line: &CommandLine) {
        let word = self.word.get_or_insert_default();
        let value = line.variables.get(name).map(String::as_str).or_else(|| (self.environment)(name));
        if let Some(value) = value.filter(|value| value.len() <= self.remaining) {
            self.remaining -= value.len();
            word.pop();
            word.push_str(value);
        } else {
            word.push_str(text);
        }
    }

    /// Keeps a command substitution as it is.
    fn substitution(&mut self) {
        let mut depth = 0_usize;
        while let Some(c) = self.rest.next() {
            self.push(c);
            depth = match c {
                '(' => depth + 1,
                ')' => depth.saturating_sub(1),
                _ => depth,
            };
            if depth == 0 {
                break;
            }
        }
    }

    fn skip_to(&mut self, end: char) {
        self.push('`');
        while self.rest.next().is_some_and(|c| c != end) {}
    }

    fn redirection(&mut self, operator: char) {
        // A number before the operator is a file descriptor.
        if self.word.as_ref().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit())) {
            self.word = None;
        }
        self.end_word();
        if operator == '<' && self.rest.next_if_eq(&'<').is_some() && self.rest.peek() != Some(&'<') {
            let is_delimiter = |c: &char| c.is_ascii_alphanumeric() || "_-'\" \\".contains(*c);
            let mut delimiter = String::new();
            while let Some(c) = self.rest.next_if(is_delimiter) {
                delimiter.push(c);
            }
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let delimiter = delimiter.split(|c| !is_name(c)).find(|part| !part.is_empty());
            self.here_documents.extend(delimiter.map(str::to_owned));
            return;
        }
        while self.rest.next_if(|c| matches!(c, '>' | '<' | '&' | '|')).is_some() {}
        self.is_target = true;
    }

    fn skip_here_documents(&mut self) {
        for delimiter in std::mem::take(&mut self.here_documents) {
            while self.rest.peek().is_some() {
                let text: String = self.rest.by_ref().take_while(|c| *c != '\n').collect();
                if text.trim() == delimiter {
                    break;
                }
            }
        }
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if !std::mem::take(&mut self.is_target) {
            self.words.push(word);
        }
    }

    fn end_command(&mut self, line: &mut CommandLine) {
        self.end_word();
        self.is_target = false;
        let words = std::mem::take(&mut self.words);
        let keyword = |word: &String| {
            ["if", "then", "else", "elif", "do", "while", "until", "!", "{", "}", "time"].contains(&&**word)
        };
        let words: Vec<String> = words.into_iter().skip_while(keyword).collect();
        let declares = words.first().is_some_and(|word| word == "export");
        let assignments = words.iter().skip(usize::from(declares)).map_while(|word| assignment(word));
        let assigned: Vec<_> = assignments.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let is_command = !declares && assigned.len() < words.len();
        let skipped = assigned.len();
        line.variables.extend(assigned);
        if is_command {
            line.push(words.into_iter().skip(skipped).collect());
        }
    }
}

/// The maximum total length of the values of variables in a script, in bytes.
const MAX_VALUES_LEN: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(script: &str) -> Vec<String> {
        let mut line = CommandLine::default();
        Scanner::new(script, |name| (name == "DIR").then_some("/x")).run(&mut line);
        line.commands.into_iter().map(|command| command.words.join("|")).collect()
    }

    #[test]
    fn splits_scripts_into_commands() {
        assert_eq!(
            commands("exec mongod --dbpath \"/x y\" \\\n  --port=1"),
            ["mongod|--dbpath|/x y|--port=1"]
        );
        assert_eq!(commands("a; b && c | d\ne"), ["a", "b", "c", "d", "e"]);
        assert_eq!(commands("if ! test -f x; then a; fi"), ["test|-f|x", "a", "fi"]);
        assert_eq!(commands("# comment's\na '#b' $DIR/c ${DIR}d \"$E\" '$DIR'"), ["a|#b|/x/c|/xd|$E|$DIR"]);
        assert_eq!(commands("E=/y; export F=$E; G=1 a $E $F ${E:-z}"), ["a|/y|/y|/y"]);
        assert_eq!(commands("a > /out 2>&1 -b >>c"), ["a|-b"]);
        assert_eq!(commands("cat <<'EOF' > f\nmongod --dbpath /x\nEOF\nb"), ["cat", "b"]);
        assert_eq!(commands("a --x=$(date +%F; ls)/y `b c`"), ["a|--x=$(date +%F; ls)/y|`"]);
        assert_eq!(commands("tini -- env A=1 gosu mysql mysqld -x"), ["mysqld|-x"]);
        assert_eq!(
            commands("docker-entrypoint.sh -c x; docker-entrypoint.sh pg_dump"),
            ["docker-entrypoint.sh|-c|x", "pg_dump"]
        );
    }

    #[test]
    fn finds_scripts_in_arguments() {
        let found = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            script(&words).map(str::to_owned)
        };
        assert_eq!(found(&["/bin/sh", "-c", "a"]).as_deref(), Some("a"));
        assert_eq!(found(&["bash", "-euo", "pipefail", "-c", "a", "b"]).as_deref(), Some("a"));
        assert_eq!(found(&["bash", "-ceuo", "pipefail", "a"]).as_deref(), Some("a"));
        assert_eq!(found(&["busybox", "sh", "-ec", "a"]).as_deref(), Some("a"));
        assert_eq!(found(&["bash", "--noprofile", "start.sh", "-c"]), None);
        assert_eq!(found(&["mongod", "-c", "a"]), None);
    }
}
