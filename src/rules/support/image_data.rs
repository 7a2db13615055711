//! Well-known images: where they store data, and which settings change these locations.

use std::collections::HashMap;

use serde::Deserialize;

/// A well-known image that stores data, or several images with the same settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageData {
    /// The last segments of the image names, such as `postgres`.
    pub(crate) names: Vec<String>,
    /// The repositories of images whose default data paths and volumes are known.
    #[serde(default)]
    pub(crate) repositories: Vec<Repository>,
    /// The names of the server programs besides [`Self::names`].
    #[serde(default)]
    pub(crate) servers: Vec<String>,
    /// The names of other programs in the image, which don't use the data directory.
    #[serde(default)]
    pub(crate) clients: Vec<String>,
    /// The environment variables that contain more arguments for the server.
    #[serde(default)]
    pub(crate) argument_variables: Vec<String>,
    /// Arguments with the path of a configuration file, which can also set the data paths.
    #[serde(default)]
    pub(crate) config_arguments: Vec<String>,
    /// The locations of the data.
    #[serde(default)]
    pub(crate) data: Vec<DataSetting>,
    /// The conditions under which the server stores no data. One of them is sufficient.
    #[serde(default)]
    pub(crate) stateless: Vec<Condition>,
    /// The volumes with data that the images declare (`VOLUME` in the Dockerfile).
    #[serde(default)]
    pub(crate) volumes: Vec<VersionedPath>,
    /// The purpose of the path, as a verb phrase whose subject is the path.
    pub(crate) reason: String,
    /// The pages that document the image.
    #[serde(rename = "sources")]
    _sources: Vec<String>,
}

/// The well-known images that store data.
#[derive(Clone, Debug, Default)]
pub struct ImageCatalog {
    images: Vec<ImageData>,
    /// The index of each image in `images`, by the last part of its name.
    by_name: HashMap<String, usize>,
}

impl ImageCatalog {
    /// Creates a catalog. Of several images with the same name, the first one counts.
    pub fn new(images: Vec<ImageData>) -> Self {
        let mut by_name = HashMap::new();
        for (index, image) in images.iter().enumerate() {
            for name in &image.names {
                by_name.entry(name.clone()).or_insert(index);
            }
        }
        Self { images, by_name }
    }

    /// Returns the image with the same name; `None` if no image in the catalog has it.
    pub(crate) fn find(&self, image: ImageReference<'_>) -> Option<&ImageData> {
        self.by_name.get(image.name()).map(|index| &self.images[*index])
    }
}

/// The settings that determine the paths of some data of an image. Arguments take precedence over
/// variables. In each list, earlier entries take precedence over later ones.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DataSetting {
    /// Flags such as `--data-dir`, and prefixes of words, such as `path.data=`.
    pub(crate) arguments: Vec<String>,
    /// A subcommand whose operands are data paths.
    pub(crate) operands_of: Option<String>,
    pub(crate) variables: Vec<String>,
    /// The data paths if none of these settings is used, by version.
    pub(crate) defaults: Vec<VersionedPath>,
    /// The condition under which the server uses the default path. `None` if it always does.
    pub(crate) default_if: Option<Condition>,
}

/// A path in certain versions of an image.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionedPath {
    /// The path. `{major}` is the major version.
    path: String,
    /// The first major version with the path.
    since: Option<u32>,
    /// The first major version that no longer has the path.
    before: Option<u32>,
}

/// A condition about the arguments and environment variables of a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Condition {
    pub(crate) arguments: Vec<String>,
    pub(crate) variables: Vec<String>,
    /// The condition is met if one of the settings above has one of these values. If a setting has
    /// a comma-separated list, all of its items must be in `values`.
    pub(crate) values: Vec<String>,
    /// The condition is met if one of the settings above is set, and its value starts with none of
    /// these texts.
    pub(crate) other_than: Option<Vec<String>>,
    /// The condition is met if the server has arguments, but none of these.
    pub(crate) without: Vec<String>,
}

/// A repository without its registry, such as `library/postgres`, or `*` for all repositories. If a
/// colon and a text follow, the text precedes the version in tags. For example,
/// `pgvector/pgvector:pg` has tags such as `0.8.1-pg18`.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
pub(crate) struct Repository {
    name: String,
    version_prefix: String,
}

impl From<String> for Repository {
    fn from(text: String) -> Self {
        let (name, version_prefix) = text.split_once(':').unwrap_or((&text, ""));
        Self { name: name.to_owned(), version_prefix: version_prefix.to_owned() }
    }
}

/// The parts of an image reference.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ImageReference<'a> {
    /// The name with the registry, if there is one.
    repository: &'a str,
    /// Empty if absent.
    tag: &'a str,
}

impl<'a> ImageReference<'a> {
    pub(crate) fn new(image: &'a str) -> Self {
        let image = image.split('@').next().unwrap_or_default();
        let name = image.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match image[name..].find(':') {
            Some(colon) => (&image[..name + colon], &image[name + colon + 1..]),
            None => (image, ""),
        };
        Self { repository, tag }
    }

    /// Returns the last part of the name.
    pub(crate) fn name(self) -> &'a str {
        self.repository.rsplit('/').next().unwrap_or_default()
    }

    /// Checks whether the image is from `repository` or from a mirror of it. An image without
    /// registry and namespace is in `library/`, as in Docker Hub.
    fn is_from(self, repository: &Repository) -> bool {
        let (own, name) = (self.repository, &*repository.name);
        if name == "*" {
            return true;
        }
        let own =
            ["docker.io/", "index.docker.io/"].iter().find_map(|host| own.strip_prefix(host)).unwrap_or(own);
        match own.strip_suffix(name) {
            Some(mirror) => mirror.is_empty() || mirror.ends_with('/'),
            None => name.strip_prefix("library/") == Some(own),
        }
    }

    /// Returns the major version in the tag, or `None` if there is none. The version follows
    /// `prefix`, which is at the start of the tag or after a hyphen. If `prefix` is empty, the
    /// version is at the start of the tag.
    fn major(self, prefix: &str) -> Option<u32> {
        let parts = self.tag.split('-').take(if prefix.is_empty() { 1 } else { usize::MAX });
        let mut versions = parts.filter_map(|part| part.strip_prefix(prefix));
        versions.find_map(|version| {
            let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
            version[..digits].parse().ok()
        })
    }
}

/// The major version of a known image; `None` if the tag does not contain it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version(Option<u32>);

impl ImageData {
    /// Returns the version of an image if its default data paths and volumes are known, otherwise
    /// `None`.
    pub(crate) fn version(&self, image: ImageReference<'_>) -> Option<Version> {
        let repository = self.repositories.iter().find(|repository| image.is_from(repository))?;
        Some(Version(image.major(&repository.version_prefix)))
    }
}

impl VersionedPath {
    /// Returns the path in a version; `None` if the version has another path. If the version is
    /// unknown, returns the path only if it is the same in all versions.
    pub(crate) fn path(&self, Version(major): Version) -> Option<String> {
        let is_bounded = self.since.is_some() || self.before.is_some() || self.path.contains("{major}");
        let Some(major) = major else { return (!is_bounded).then(|| self.path.clone()) };
        let is_in =
            self.since.is_none_or(|since| since <= major) && self.before.is_none_or(|before| major < before);
        is_in.then(|| self.path.replace("{major}", &major.to_string()))
    }

    /// Returns the path without regard to versions.
    pub(crate) fn any_path(&self) -> &str {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn major(repository: &str, image: &str) -> Option<Option<u32>> {
        let repository = Repository::from(repository.to_owned());
        let image = ImageReference::new(image);
        image.is_from(&repository).then(|| image.major(&repository.version_prefix))
    }

    #[test]
    fn recognizes_images_by_repository() {
        for image in ["postgres", "postgres@sha256:15", "docker.io/postgres", "host:5000/library/postgres"] {
            assert_eq!(major("library/postgres", image), Some(None), "{image}");
        }
        for image in ["bitnami/postgres:16", "host:5000/postgres:16", "mylibrary/postgres:16"] {
            assert_eq!(major("library/postgres", image), None, "{image}");
        }
    }

    #[test]
    fn splits_unusual_references() {
        for (image, name, tag) in
            [("/é", "é", ""), ("/postgres:9", "postgres", "9"), ("", "", ""), ("a/:1", "", "1")]
        {
            let reference = ImageReference::new(image);
            assert_eq!((reference.name(), reference.tag), (name, tag), "{image}");
        }
    }

    #[test]
    fn reads_versions_from_tags() {
        assert_eq!(major("library/postgres", "postgres:9.6-alpine"), Some(Some(9)));
        assert_eq!(major("library/postgres", "library/postgres:18beta1@sha256:0"), Some(Some(18)));
        assert_eq!(major("library/postgres", "postgres:alpine3.20"), Some(None));
        assert_eq!(major("pgvector/pgvector:pg", "pgvector/pgvector:0.8.1-pg18"), Some(Some(18)));
        assert_eq!(major("pgvector/pgvector:pg", "ghcr.io/pgvector/pgvector:pg16"), Some(Some(16)));
        assert_eq!(major("pgvector/pgvector:pg", "pgvector/pgvector:0.8.1"), Some(None));
    }
}
