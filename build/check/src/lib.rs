//! `totebox check`: named rules over what a Microkit system description allows, and over what was built
//! from it. Each rule is one function and one published sentence (docs/isolation-rules.md).

#![forbid(unsafe_code)]

pub mod authority;
pub mod built;
pub mod diff;
pub mod picture;
mod policy;
pub mod report;
mod rules;
pub mod sarif;
mod waivers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use totebox_sdf::{Place, System};
use totebox_shown::Shown;

use crate::authority::{Authority, Reach};
use crate::built::Built;

pub use policy::{Act, Channel, Domain, Fill, Policy, Reporting, Role};
pub use rules::RULES;
pub use waivers::{Waiver, Waivers};

#[derive(Clone, Copy)]
pub struct Rule {
    pub id: &'static str,
    /// What it is about, in a few words.
    pub title: &'static str,
    pub sentence: &'static str,
    /// Whether it makes sense without a policy.
    pub scope: Scope,
    /// Whether a finding may be accepted by a waiver where there is a policy.
    pub waivable: bool,
    pub judge: Judge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Any,
    /// Where there is a policy to compare with.
    Policy,
}

#[derive(Clone, Copy)]
pub enum Judge {
    /// By the system description, or by one rebuilt from what was built. The second says what was looked at, as a
    /// clause without its full stop.
    Description(fn(&Case, &mut Found), fn(&Case) -> String),
    /// Likewise, by what can go from whom to whom: settled only where nobody can receive what is another's.
    Flow(fn(&Case, &mut Found), fn(&Case) -> String),
    Built(fn(&Made, &mut Found)),
}

/// What was built, and the description it was built from.
pub struct Made<'a> {
    pub built: &'a Built,
    pub declared: &'a System,
}

/// What the rules look at.
pub struct Case<'a> {
    pub system: &'a System,
    pub authority: &'a Authority,
    /// What it ought to allow, if that is known.
    pub policy: Option<&'a Policy>,
}

impl<'a> Case<'a> {
    /// The role of a subject, or of the domain whose virtual machine it is.
    pub fn role(&self, subject: usize) -> Option<&'a Role> {
        self.policy?.role(self.authority.name(self.authority.domain(subject)))
    }

    /// Whether a subject may stand between domains that are isolated from each other.
    pub fn is_mediator(&self, subject: usize) -> bool {
        self.role(subject).is_some_and(|role| role.mediates)
    }

    /// Whether a subject may reach others of its role by mediators alone.
    pub fn is_isolated(&self, subject: usize) -> bool {
        self.role(subject).is_some_and(|role| role.isolated)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Error,
    /// Worth knowing, and as it was meant to be.
    Note,
}

/// What a rule has to say about one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub rule: &'static str,
    /// How much it matters.
    pub level: Level,
    pub file: PathBuf,
    /// The line, from 1; 0 if the finding has no place.
    pub line: u32,
    /// The column in characters, from 1; 0 if the finding has no place.
    pub column: u32,
    /// Who and what is involved.
    pub names: Vec<String>,
    pub message: String,
    pub help: String,
    /// Why it is accepted, if a waiver accepts it.
    pub waived: Option<String>,
}

impl Finding {
    /// Whether it breaks a rule, and nobody accepted that.
    pub fn counts(&self) -> bool {
        self.level == Level::Error && self.waived.is_none()
    }
}

pub struct Found<'a> {
    rule: &'static str,
    file: &'a Path,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Found<'a> {
    /// A collector for a rule's findings in a file.
    pub fn new(rule: &'static str, file: &'a Path, findings: &'a mut Vec<Finding>) -> Found<'a> {
        Found { rule, file, findings }
    }

    /// The rule is broken.
    pub fn error(&mut self, place: Place, names: &[&str], message: String, help: impl Into<String>) {
        self.add(Level::Error, place, names, message, help.into());
    }

    /// Worth knowing.
    pub fn note(&mut self, place: Place, names: &[&str], message: String, help: impl Into<String>) {
        self.add(Level::Note, place, names, message, help.into());
    }

    fn add(&mut self, level: Level, place: Place, names: &[&str], message: String, help: String) {
        self.findings.push(Finding {
            rule: self.rule,
            level,
            file: self.file.to_owned(),
            line: place.line,
            column: place.column,
            names: names.iter().map(|&name| name.to_owned()).collect(),
            // Sentences for people, of one line each: names in what was built may hold anything.
            message: Shown(message).to_string(),
            help: Shown(help).to_string(),
            waived: None,
        });
    }
}

/// What became of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Holds,
    Broken(usize),
    NotJudged(&'static str),
}

/// Everything the rules have to say about a description.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub file: PathBuf,
    /// `totebox` or `microkit`.
    pub profile: &'static str,
    /// By rule, in their order.
    pub verdicts: Vec<(&'static str, Verdict)>,
    /// Sorted by place, then by rule.
    pub findings: Vec<Finding>,
    /// Who can write, signal, call or control whom.
    pub influence: Closure,
    /// Who can come to know what whom does.
    pub knowledge: Closure,
}

#[derive(Clone, Debug, Serialize)]
pub struct Closure {
    /// Directly or through anybody.
    pub all: BTreeMap<String, Vec<String>>,
    /// Directly or through subjects that are no mediators; what lies beyond needs a mediator to go wrong.
    pub unmediated: BTreeMap<String, Vec<String>>,
}

impl Report {
    /// The findings that break a rule and are not waived.
    pub fn broken(&self) -> usize {
        self.findings.iter().filter(|finding| finding.counts()).count()
    }
}

/// Why a rule without a policy is not judged.
const NO_POLICY: &str = "needs a policy: --profile totebox, with a totebox.toml";
/// Why a rule about what was built is not judged.
const NOT_BUILT: &str = "needs what was built: --image or --capdl";
/// Why a rule about flows is not judged.
const NOT_MINIMAL: &str = "needs ISO-4: rights that are too high let data go where no channel leads";

/// Applies every rule to a description. Without a policy, those that make sense without one.
pub fn check(file: &Path, system: &System, policy: Option<&Policy>, waivers: &mut Waivers) -> Report {
    let authority = Authority::of(system);
    judge(file, file, &Case { system, authority: &authority, policy }, None, waivers)
}

/// Applies every rule to what was built: `file` is the image, `description` what it was built from. Findings
/// have their places in the description, where they have one.
pub fn check_built(
    file: &Path,
    description: &Path,
    made: &Made,
    policy: Option<&Policy>,
    waivers: &mut Waivers,
) -> Report {
    let authority = made.built.authority();
    let case = Case { system: &made.built.system, authority: &authority, policy };
    judge(file, description, &case, Some(made), waivers)
}

fn judge(file: &Path, description: &Path, case: &Case, made: Option<&Made>, waivers: &mut Waivers) -> Report {
    let is_minimal = made.is_none_or(|made| made.built.has_minimal_rights());
    let mut findings = Vec::new();
    let mut verdicts = Vec::new();
    for rule in RULES {
        let mut of_rule = Vec::new();
        let mut found = Found::new(rule.id, description, &mut of_rule);
        let no_policy = rule.scope == Scope::Policy && case.policy.is_none();
        let not_judged = match (&rule.judge, made) {
            (Judge::Built(_), None) => Some(NOT_BUILT),
            (Judge::Description(..) | Judge::Flow(..), _) if no_policy => Some(NO_POLICY),
            (Judge::Flow(..), _) if !is_minimal => Some(NOT_MINIMAL),
            (Judge::Description(judge, _) | Judge::Flow(judge, _), _) => {
                judge(case, &mut found);
                None
            }
            (Judge::Built(judge), Some(made)) => {
                judge(made, &mut found);
                None
            }
        };
        for finding in &mut of_rule {
            waivers.apply(finding);
            if finding.line == 0 {
                finding.file = file.to_owned(); // The description does not speak of it.
            }
        }
        verdicts.push((rule.id, not_judged.map_or_else(|| verdict(&of_rule), Verdict::NotJudged)));
        findings.extend(of_rule);
    }
    // Stable, so that findings at one place stay in the order of the rules.
    findings.sort_by_key(|finding| (finding.line, finding.column));
    let profile = case.policy.map_or("microkit", |policy| policy.profile);
    let influence = closure(case, &case.authority.influence());
    let knowledge = closure(case, &case.authority.knowledge());
    Report { file: file.to_owned(), profile, verdicts, findings, influence, knowledge }
}

/// What the findings of one rule make of it.
pub fn verdict(findings: &[Finding]) -> Verdict {
    match findings.iter().filter(|finding| finding.counts()).count() {
        0 => Verdict::Holds,
        count => Verdict::Broken(count),
    }
}

fn closure(case: &Case, reach: &Reach) -> Closure {
    let name = |subject: usize| case.authority.name(subject).to_owned();
    let through = |may_pass: &dyn Fn(usize) -> bool| {
        let reached = |from: usize| reach.closure(from, may_pass).into_iter().map(name).collect();
        (0..case.authority.subjects.len()).map(|from| (name(from), reached(from))).collect()
    };
    Closure { all: through(&|_| true), unmediated: through(&|subject| !case.is_mediator(subject)) }
}

/// Names as a sentence has them: "'a', 'b' and 'c'".
pub fn list(names: &[&str]) -> String {
    sentence(names.iter().map(|name| format!("'{name}'")), "and")
}

/// What a sentence lists: "a, b and c", or with another word before the last.
pub fn sentence(items: impl IntoIterator<Item = impl ToString>, joined_by: &str) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {joined_by} {last}", rest.join(", ")),
        None => "nobody".into(),
    }
}
