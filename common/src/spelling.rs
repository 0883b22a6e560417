//! Finds the name that a misspelt name probably means.

/// The least similarity of a suggestion, between 0 and 1. The first measure counts wrong, missing and transposed letters; the
/// second finds a missing or additional end.
const MIN_EDIT_SIMILARITY: f64 = 0.6;
const MIN_PREFIX_SIMILARITY: f64 = 0.9;
/// How many times as long as the other one a similar name may be. Beyond that, no measure reaches its least value. A client may
/// send a name as long as a body, and each measure takes time, and the first also memory, for every pair of letters.
const MAX_LENGTH_RATIO: usize = 2;

/// The known name that is most similar to `name`, regardless of case. `None` if no name is similar.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let length = name.chars().count();
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
    let similar = known.into_iter().filter_map(|known| Some((similarity(known)?, known)));
    similar.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, known)| known)
}

#[cfg(test)]
mod tests;
