//! How rules say what they looked at: a rule that holds because there was nothing to break it should be seen to.

use crate::Case;
use totebox_common::units::count;

/// How many there are, and which, if they do not fill the page.
pub fn some(what: &str, names: impl Iterator<Item = String>) -> String {
    const NAMES_MAX: usize = 12;
    let names: Vec<String> = names.collect();
    let count = count(names.len(), what);
    if names.is_empty() || names.len() > NAMES_MAX { count } else { format!("{count}: {}", names.join(", ")) }
}

pub fn isolated_domains(case: &Case) -> Vec<usize> {
    (0..case.authority.subjects.len()).filter(|&subject| case.is_isolated(subject)).collect()
}

/// What one isolated domain is called, and several.
pub fn isolated_role(case: &Case) -> (&'static str, &'static str) {
    let role = case.policy.and_then(|policy| policy.isolated());
    role.map_or(("isolated domain", "isolated domains"), |role| (role.name, role.many))
}
