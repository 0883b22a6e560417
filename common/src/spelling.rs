//! Finds the known name that is meant by a misspelt name.

/// Minimum similarity of a suggestion by edit distance, from 0 to 1. The edit distance counts wrong, missing and transposed
/// letters.
const MIN_EDIT_SIMILARITY: f64 = 0.6;
/// Minimum similarity of a suggestion by common prefix, from 0 to 1. The common prefix finds names whose end is missing or
/// too long.
const MIN_PREFIX_SIMILARITY: f64 = 0.9;
/// Maximum ratio of the lengths of two similar names. Above this ratio, neither similarity reaches its minimum. This check
/// limits the cost of a comparison, which takes time and memory for every pair of letters: a client may send a name as long as
/// a body.
const MAX_LENGTH_RATIO: usize = 2;

/// The known name that is most similar to `name`, regardless of case. `None` if no name is similar. If known names begin with
/// all words of `name`, returns the first of these known names: `RATE_LIMIT_PER_MINUTE` for `RATE_LIMIT`. A single word is not
/// enough.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str, IntoIter: Clone>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let length = name.chars().count();
    let known = known.into_iter();
    let is_beginning = |known: &str| {
        let known = known.to_lowercase();
        known.strip_prefix(&name).is_some_and(|rest| rest.starts_with('_'))
    };
    if name.contains('_')
        && let Some(first) = known.clone().find(|known| is_beginning(known))
    {
        return Some(first);
    }
    let similarity = |known: &str| {
        let known = known.to_lowercase();
        let known_length = known.chars().count();
        if length.max(known_length) > MAX_LENGTH_RATIO * length.min(known_length) {
            return None;
        }
        let edits = strsim::normalized_damerau_levenshtein(&name, &known);
        let prefix = strsim::jaro_winkler(&name, &known);
        (edits >= MIN_EDIT_SIMILARITY || prefix >= MIN_PREFIX_SIMILARITY).then_some(edits)
    };
    let similar = known.filter_map(|known| Some((similarity(known)?, known)));
    similar.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, known)| known)
}

#[cfg(test)]
mod tests;
