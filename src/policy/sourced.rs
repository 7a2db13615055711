/// A value and its origin, such as a file, a file and line, a profile or a flag.
#[derive(Clone, Debug)]
pub(super) struct Sourced<T> {
    pub(super) value: T,
    pub(super) origin: String,
}
