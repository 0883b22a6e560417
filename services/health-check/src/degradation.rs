//! Describes a degraded service. Reports and alerts use the same words.

use common::api::health::Component;

/// What is wrong with a degraded service, such as `not ready: db-proxy: database: the disk is full`. The text follows the words
/// `the service is` in a sentence.
pub(crate) fn describe_degraded(is_ready: bool, components: &[Component]) -> String {
    let unready = components.iter().filter(|component| !component.ready);
    let names = |components: Vec<&Component>| {
        components.iter().map(|component| component.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    // The reasons, because the cause can be a component of the named service.
    let fatal = Component::fatal_reasons(components).join("; ");
    let all = names(unready.collect());
    match (is_ready, fatal.as_str(), all.as_str()) {
        (false, "", _) => "not ready".to_owned(),
        (false, fatal, _) => format!("not ready: {fatal}"),
        (true, _, "") => "degraded: an instance is missing".to_owned(),
        (true, _, all) => format!("degraded: it works, but these components are not ready: {all}"),
    }
}

#[cfg(test)]
mod tests;
