//! Waivers: findings somebody accepts, each with a reason, in a TOML file of `[[waive]]` tables with
//! `rule`, `name` and `reason`.

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use totebox_shown::Shown;

use super::{Finding, RULES};
use totebox_common::problem::{Places, Problem, Problems};

/// A finding that is accepted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    pub rule: Spanned<String>,
    pub name: String,
    pub reason: Spanned<String>,
    #[serde(skip)]
    used: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waivers {
    #[serde(default)]
    waive: Vec<Waiver>,
}

impl Waivers {
    /// Reads a file of waivers. Where there is a policy, only what the rules leave to it can be waived.
    pub fn parse(file: &Path, text: &str, has_policy: bool) -> Result<Waivers, Problems> {
        let places = Places::new(text);
        let waivers: Waivers = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let help = "a waiver is [[waive]] with rule, name and reason";
            Problems(vec![Problem::at(file, &places, offset, error.message(), help)])
        })?;
        let mut problems = Vec::new();
        for Waiver { rule, reason, .. } in &waivers.waive {
            let mut problem = |offset, message: String, help: &str| {
                problems.push(Problem::at(file, &places, offset, message, help));
            };
            let id = rule.get_ref();
            match RULES.iter().find(|known| known.id == id) {
                None => {
                    let help = format!("rules are ISO-1 to ISO-{}", RULES.len());
                    problem(rule.span().start, format!("there is no rule {id}"), &help);
                }
                Some(known) if has_policy && !known.waivable => {
                    let help = "mend the system instead, or check it with --profile microkit";
                    problem(rule.span().start, format!("{id} cannot be waived in a Totebox deployment"), help);
                }
                Some(_) => {}
            }
            if reason.get_ref().trim().is_empty() {
                let message = format!("the waiver of {id} has no reason");
                problem(reason.span().start, message, "say why it is acceptable");
            }
        }
        if problems.is_empty() { Ok(waivers) } else { Err(Problems(problems)) }
    }

    /// Marks a finding as waived if a waiver accepts it.
    pub fn apply(&mut self, finding: &mut Finding) {
        let accepts =
            |waiver: &&mut Waiver| waiver.rule.get_ref() == finding.rule && finding.names.contains(&waiver.name);
        if let Some(waiver) = self.waive.iter_mut().find(accepts) {
            waiver.used = true;
            finding.waived = Some(Shown(waiver.reason.get_ref()).to_string());
        }
    }

    /// The waivers that accepted nothing: what they were written for is gone.
    pub fn unused(&self) -> impl Iterator<Item = (&str, &str)> {
        self.waive
            .iter()
            .filter(|waiver| !waiver.used)
            .map(|waiver| (waiver.rule.get_ref().as_str(), &*waiver.name))
    }
}
