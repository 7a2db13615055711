//! Patterns for reviews that need much memory. The test and the fuzzer share them.

/// Expands a pattern `START@@UNIT@@END@@COUNT` to a text of at most `size` bytes.
///
/// `UNIT` is repeated `COUNT` times, or as often as possible if `COUNT` is missing. Each `##` in
/// `UNIT` is replaced with its number.
pub fn expand(pattern: &str, size: usize) -> String {
    let mut parts = pattern.splitn(4, "@@");
    let [start, unit, end, count] = std::array::from_fn(|_| parts.next().unwrap_or_default());
    let count: usize = count.trim().parse().unwrap_or(usize::MAX);
    let mut text = String::with_capacity(size);
    text.push_str(start);
    for number in 0..count {
        let repeated = unit.replace("##", &number.to_string());
        if repeated.is_empty() || text.len() + repeated.len() + end.len() > size {
            break;
        }
        text.push_str(&repeated);
    }
    text.push_str(end);
    text
}
