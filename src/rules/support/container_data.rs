//! The data paths of a container, according to its image, arguments and environment variables.

use std::collections::HashMap;

use super::command_line::{Command, CommandLine};
use super::image_data::{Condition, DataSetting, ImageData, ImageReference, Version};
use super::options::Options;
use crate::model::{Container, HostPath, PathPattern, Relation};

/// The maximum number of data paths of a setting. Real manifests have fewer, and long lists are
/// expensive to check.
const MAX_DATA_PATHS: usize = 100;

/// The data of a container with a well-known image.
#[derive(Debug)]
pub(crate) struct ContainerData<'a> {
    pub(crate) image: &'a ImageData,
    /// The version of the image; `None` if its default data paths and volumes are unknown.
    version: Option<Version>,
    pub(crate) role: Role,
    /// Whether the server reads a configuration file, which can set data paths.
    has_config_file: bool,
    /// Whether arguments of the server are unknown, such as `$OPTIONS`.
    has_unknown_argument: bool,
    settings: Vec<(&'a DataSetting, DataLocation)>,
}

/// The relation of a container to the data of its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The container runs the server.
    Server,
    /// The container runs a script or a program that may start the server.
    Unknown,
    /// The container runs only clients or utilities, or a server that stores no data.
    Stateless,
}

/// Where a container stores the data of a setting.
#[derive(Debug)]
enum DataLocation {
    /// Paths in the object.
    Configured(Vec<HostPath>),
    /// Paths that are not in the object.
    Unknown,
    /// The default paths of the image.
    Default(Vec<HostPath>),
    /// The object sets no path, and the default path is unknown or not used.
    Unset,
}

impl DataLocation {
    fn paths(&self) -> &[HostPath] {
        match self {
            Self::Configured(paths) | Self::Default(paths) => paths,
            Self::Unknown | Self::Unset => &[],
        }
    }
}

impl<'a> ContainerData<'a> {
    /// Returns the data of a container; `None` if the image is not well-known.
    pub(crate) fn new(container: &Container<'_>, options: &'a Options) -> Option<Self> {
        let reference = ImageReference::new(&container.image);
        let image = options.image_data.find(reference)?;
        let version = image.version(reference);
        let inputs = Inputs::new(container, image);
        let settings =
            image.data.iter().map(|setting| (setting, inputs.location(setting, version))).collect();
        let has_config_file = image.config_arguments.iter().any(|name| !inputs.arguments(name).is_empty());
        let has_unknown_argument = inputs.words.iter().any(|word| word.starts_with(['$', '`']));
        let role = inputs.role(image);
        Some(Self { image, version, role, has_config_file, has_unknown_argument, settings })
    }

    /// Iterates over the known paths of the data. There are none if the container stores no data.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &HostPath> {
        let settings = self.settings.iter().filter(|_| self.role != Role::Stateless);
        settings.flat_map(|(_, location)| location.paths())
    }

    /// Checks whether a value that is not in the object can set a data path.
    pub(crate) fn has_unknown_path(&self) -> bool {
        self.settings.iter().any(|(_, location)| match location {
            DataLocation::Unknown => true,
            DataLocation::Default(_) => self.has_config_file || self.has_unknown_argument,
            DataLocation::Configured(_) | DataLocation::Unset => false,
        })
    }

    /// Checks whether the object sets a data path.
    pub(crate) fn is_configured(&self) -> bool {
        let is_set =
            |location: &DataLocation| matches!(location, DataLocation::Configured(_) | DataLocation::Unknown);
        self.settings.iter().any(|(_, location)| is_set(location))
    }

    /// Checks whether the paths of this image and its settings apply instead of `location`. This is
    /// the case if images with this name store data at `location` by default, and each setting for
    /// this data is set in the object or has a known default.
    pub(crate) fn replaces(&self, location: &PathPattern) -> bool {
        let mut related = self
            .settings
            .iter()
            .filter(|(setting, _)| {
                let mut defaults =
                    setting.defaults.iter().map(|path| HostPath::in_container(path.any_path()));
                defaults.any(|path| path.relation(location) != Relation::Unrelated)
            })
            .peekable();
        related.peek().is_some() && related.all(|(_, location)| !matches!(location, DataLocation::Unset))
    }

    /// Returns the variable that moves all data from `directory` to another path, if there is one.
    pub(crate) fn variable(&self, directory: &HostPath) -> Option<&'a str> {
        let is_inside =
            |path: &HostPath| matches!(path.relation_to(directory), Relation::Equal | Relation::Descendant);
        let inside = self.settings.iter().filter(|(_, location)| location.paths().iter().any(is_inside));
        let mut settings = inside.map(|(setting, _)| *setting);
        let only = settings.next().filter(|_| settings.next().is_none())?;
        only.variables.first().map(String::as_str)
    }

    /// Returns the paths of the volumes with data that the image declares.
    pub(crate) fn volumes(&self) -> Vec<String> {
        let Some(version) = self.version else { return Vec::new() };
        self.image.volumes.iter().filter_map(|volume| volume.path(version)).collect()
    }
}

/// Programs that prepare or copy files but store no application data, and words of shell syntax.
const UTILITIES: &[&str] = &[
    "[", "[[", "aws", "awk", "case", "cat", "cd", "chgrp", "chmod", "chown", "cp", "curl", "date", "done",
    "echo", "esac", "exit", "false", "fi", "find", "for", "grep", "gunzip", "gzip", "head", "id", "install",
    "kill", "ln", "ls", "mkdir", "mv", "nc", "printf", "pwd", "rclone", "rm", "rsync", "sed", "seq", "set",
    "sleep", "sort", "stat", "tail", "tar", "tee", "test", "touch", "tr", "trap", "true", "umask", "unset",
    "wait", "wc", "wget", "whoami", "xargs",
];

/// The value of a setting.
enum Value<'i> {
    Known(&'i str),
    Unknown,
}

/// The arguments and environment variables of a container.
struct Inputs<'c> {
    container: &'c Container<'c>,
    /// The known variables with a value that is not empty.
    variables: HashMap<&'c str, String>,
    line: CommandLine,
    /// The arguments of the server and its name, as far as they are known.
    words: Vec<String>,
}

impl<'c> Inputs<'c> {
    fn new(container: &'c Container<'_>, image: &ImageData) -> Self {
        let variables = container.env_values();
        let line = CommandLine::new(container, &variables);
        let has_server = line.commands.iter().any(|command| is_server(image, command));
        let is_relevant = |command: &&Command| match has_server {
            true => is_server(image, command),
            false => !is_client(image, command),
        };
        let commands = line.commands.iter().filter(is_relevant);
        let mut words: Vec<String> = commands.flat_map(|command| split_options(&command.words)).collect();
        for name in &image.argument_variables {
            let value = variables.get(name.as_str());
            words.extend(value.iter().flat_map(|value| value.split_whitespace()).map(str::to_owned));
        }
        Self { container, variables, line, words }
    }

    fn role(&self, image: &ImageData) -> Role {
        let commands = &self.line.commands;
        let runs_client = !commands.is_empty() && commands.iter().all(|command| is_client(image, command));
        let runs_server = commands.is_empty()
            || !self.line.sets_program
            || commands.iter().any(|command| is_server(image, command));
        match () {
            () if runs_client => Role::Stateless,
            () if !runs_server => Role::Unknown,
            () if image.stateless.iter().any(|condition| self.meets(condition)) => Role::Stateless,
            () => Role::Server,
        }
    }

    fn location(&self, setting: &DataSetting, version: Option<Version>) -> DataLocation {
        let mut values: Vec<Value<'_>> = setting
            .arguments
            .iter()
            .map(|name| self.arguments(name))
            .find(|found| !found.is_empty())
            .unwrap_or_default();
        values.extend(setting.operands_of.iter().flat_map(|command| self.operands(command)));
        if values.is_empty() {
            values.extend(setting.variables.iter().find_map(|name| self.variable(name)));
        }
        let mut paths: Vec<HostPath> = Vec::new();
        for path in values.iter().flat_map(Value::paths) {
            if paths.len() < MAX_DATA_PATHS && !paths.contains(&path) {
                paths.push(path);
            }
        }
        if !paths.is_empty() {
            return DataLocation::Configured(paths);
        }
        // A relative path depends on the image.
        if values.iter().any(|value| value.is_unknown() || value.is_relative_path()) {
            return DataLocation::Unknown;
        }
        let is_default = setting.default_if.as_ref().is_none_or(|condition| self.meets(condition));
        let Some(version) = version.filter(|_| is_default) else { return DataLocation::Unset };
        let defaults: Vec<_> = setting.defaults.iter().filter_map(|path| path.path(version)).collect();
        match defaults.is_empty() {
            true => DataLocation::Unset,
            false => {
                DataLocation::Default(defaults.iter().map(|path| HostPath::in_container(path)).collect())
            }
        }
    }

    /// Returns the values of all occurrences of the flag `name`. If `name` ends with `=`, returns
    /// the rest of each word that starts with `name`.
    fn arguments(&self, name: &str) -> Vec<Value<'_>> {
        if name.ends_with('=') {
            return self.words.iter().filter_map(|word| word.strip_prefix(name)).map(Value::Known).collect();
        }
        let words = self.words.iter().enumerate();
        let values = words.filter_map(|(index, word)| match flag_value(word, name)? {
            "" => self.words.get(index + 1).map(String::as_str),
            value => Some(value.strip_prefix('=').unwrap_or(value)),
        });
        values.map(Value::Known).collect()
    }

    /// Returns the operands of the subcommand `command` that can be paths: absolute paths, URLs,
    /// and words that start with a variable. Omits the values of flags.
    fn operands(&self, command: &str) -> Vec<Value<'_>> {
        let Some(start) = self.words.iter().position(|word| word == command) else { return Vec::new() };
        let pairs = self.words[start..].windows(2);
        let is_path =
            |word: &str| word.starts_with(['/', '$']) || (word.contains("://") && !word.starts_with('-'));
        let is_value = |flag: &str| flag.starts_with('-') && !flag.contains('=');
        let operands = pairs.filter(|pair| is_path(&pair[1]) && !is_value(&pair[0]));
        operands.map(|pair| Value::Known(&pair[1])).collect()
    }

    /// Returns the value of an environment variable, or `None` if it is not set.
    fn variable(&self, name: &str) -> Option<Value<'_>> {
        let set_by_script = self.line.variables.get(name);
        if let Some(value) = set_by_script.or_else(|| self.variables.get(name)) {
            return Some(Value::Known(value));
        }
        let variable = self.container.env.iter().rev().find(|variable| &*variable.name == name)?;
        let is_empty = variable.value_from.is_none() && variable.value.is_empty();
        Some(if is_empty { Value::Known("") } else { Value::Unknown })
    }

    fn meets(&self, condition: &Condition) -> bool {
        let arguments = condition.arguments.iter().flat_map(|name| self.arguments(name));
        let values: Vec<_> =
            arguments.chain(condition.variables.iter().filter_map(|name| self.variable(name))).collect();
        let is_listed = |value: &Value<'_>| match value {
            Value::Known(text) => text.split(',').all(|item| is_one_of(&condition.values, item)),
            Value::Unknown => false,
        };
        let is_other = |value: &Value<'_>| {
            let listed = condition.other_than.as_ref();
            listed.is_some_and(|listed| match value {
                Value::Known(text) => !text.is_empty() && !listed.iter().any(|start| text.starts_with(start)),
                Value::Unknown => true,
            })
        };
        let is_missing = !condition.without.is_empty()
            && !self.words.is_empty()
            && !condition
                .without
                .iter()
                .any(|name| self.words.iter().any(|word| flag_value(word, name).is_some()));
        values.iter().any(|value| is_listed(value) || is_other(value)) || is_missing
    }
}

fn is_server(image: &ImageData, command: &Command) -> bool {
    let program = command.program();
    let mut servers = image.names.iter().chain(&image.servers);
    let is_named = servers.any(|server| server == program) || program.ends_with("entrypoint.sh");
    is_named && !is_client(image, command)
}

fn is_client(image: &ImageData, command: &Command) -> bool {
    let program = command.program();
    image.clients.iter().any(|client| client == program) || UTILITIES.contains(&program)
}

fn is_one_of(values: &[String], item: &str) -> bool {
    values.iter().any(|value| value.eq_ignore_ascii_case(item.trim()))
}

/// Splits words such as `--appendonly yes`, which some programs accept as one argument.
fn split_options(words: &[String]) -> impl Iterator<Item = String> {
    words.iter().flat_map(|word| {
        let is_pair = word.starts_with("--") && word.contains(' ') && !word.contains('=');
        let (flag, value) = word.split_once(' ').filter(|_| is_pair).unwrap_or((word, ""));
        std::iter::once(flag.to_owned()).chain((!value.is_empty()).then(|| value.trim().to_owned()))
    })
}

/// Returns the text after the flag `name` in `word`, or `None` if `word` is not this flag. The text
/// is empty if the value is the next word. Otherwise, it is `=` and the value or, for a short flag,
/// possibly the value alone.
///
/// A long flag in `word` can start with one or two hyphens. `name` can also be a word without
/// hyphens, which `word` must equal.
fn flag_value<'w>(word: &'w str, name: &str) -> Option<&'w str> {
    let Some(name) = name.strip_prefix('-') else { return (word == name).then_some("") };
    let word = word.strip_prefix('-')?;
    let long = name.strip_prefix('-').unwrap_or(name);
    if long.len() == 1 {
        return word.strip_prefix(long);
    }
    let rest = word.strip_prefix('-').unwrap_or(word).strip_prefix(long)?;
    (rest.is_empty() || rest.starts_with('=')).then_some(rest)
}

impl Value<'_> {
    fn is_unknown(&self) -> bool {
        match self {
            Self::Known(text) => text.starts_with(['$', '`']),
            Self::Unknown => true,
        }
    }

    /// Checks whether the value is a relative path with a slash, such as `./data`.
    fn is_relative_path(&self) -> bool {
        matches!(self, Self::Known(text) if text.contains('/') && !text.contains("://"))
    }

    /// Returns the absolute paths in the value, which can be a list. An item can be a URL, or have
    /// the form `path=PATH`. Relative paths are ignored, because they depend on the image.
    fn paths(&self) -> Vec<HostPath> {
        let Self::Known(text) = self else { return Vec::new() };
        let path = |item: &'_ str| match item.split_once("://") {
            Some((_, host)) => host.find('/').map(|start| HostPath::in_container(&host[start..])),
            None => {
                let path = item.strip_prefix("path=").unwrap_or(item);
                path.starts_with('/').then(|| HostPath::in_container(path))
            }
        };
        text.split([',', ' ']).filter_map(path).collect()
    }
}
