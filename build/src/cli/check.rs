//! `totebox check`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;
use totebox_capdl::{Json, Spec};
use totebox_check::built::Built;
use totebox_check::{Level, Made, Policy, RULES, Report, Verdict, Waivers, sarif};
use totebox_common::output::OutputError;
use totebox_common::{errln, outln, read as files};
use totebox_deployment::{DEPLOYMENT_FILE, Deployment, SOURCE_MAX, SYSTEM_FILE, SYSTEM_MAX};
use totebox_sdf::System;
use totebox_shown::ShowPath;

use super::image::{BUILT_MAX, Sdk, read_image};
use super::{Outcome, output};

/// Applies the isolation rules to a Microkit system description, or to what was built from it.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox check system.xml --closures\n\
                        Example: totebox check --image target/sel4/release/totebox.img\n\
                        The rules are in docs/isolation-rules.md. Exit code 1: a rule is broken.")]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Judge the finished image that was built from the description: the ground truth.
    #[arg(long, value_name = "FILE", conflicts_with = "capdl")]
    image: Option<PathBuf>,
    /// The Microkit SDK whose loader, kernel and initialiser the image must have, if not where MICROKIT_SDK says.
    #[arg(long, value_name = "DIR", requires = "image")]
    sdk: Option<PathBuf>,
    /// Judge the capabilities the Microkit tool wrote with --capdl-json.
    #[arg(long, value_name = "FILE")]
    capdl: Option<PathBuf>,
    /// Findings that are accepted, each with a reason.
    #[arg(long, value_name = "FILE")]
    waivers: Option<PathBuf>,
    /// Show who can influence whom, and who can learn from whom.
    #[arg(long)]
    closures: bool,
    /// Print the report as JSON.
    #[arg(long, conflicts_with = "sarif")]
    json: bool,
    /// Print the findings as SARIF 2.1.0.
    #[arg(long)]
    sarif: bool,
}

/// A system description, and what it is compared with.
#[derive(clap::Args)]
pub struct Source {
    /// The system description.
    #[arg(default_value = SYSTEM_FILE)]
    pub system: PathBuf,
    /// Which rules; if left out, all of them where a totebox.toml stands beside the description.
    #[arg(long, value_enum)]
    profile: Option<Profile>,
    /// The deployment's directory or totebox.toml, if not beside the description.
    #[arg(long, value_name = "DIR")]
    deployment: Option<PathBuf>,
}

/// Which rules are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// Those that make sense for every Microkit system.
    Microkit,
    /// All, against what totebox.toml says.
    Totebox,
}

pub fn run(args: Args) -> Result<Outcome> {
    let (system, policy) = (args.source.read()?, args.source.policy()?);
    let mut waivers = waivers(args.waivers.as_deref(), policy.is_some())?;
    let report =
        judge(&args.source.system, &system, built(&args, policy.as_ref())?, policy.as_ref(), &mut waivers)?;
    for (rule, name) in waivers.unused() {
        errln!("totebox: the waiver of {rule} for \"{name}\" accepts nothing any more; remove it");
    }
    if args.json {
        output::json(&report)?;
    } else if args.sarif {
        output::json(&sarif::sarif(&report))?;
    } else {
        print(&report, args.closures)?;
    }
    Ok(if report.broken() == 0 { Outcome::Fine } else { Outcome::Found })
}

impl Source {
    /// Reads the description.
    pub fn read(&self) -> Result<System> {
        read(&self.system)
    }

    /// What it ought to allow, if that is known.
    pub fn policy(&self) -> Result<Option<Policy>> {
        let deployment = self.deployment().map(|path| Deployment::load(&path)).transpose()?;
        Ok(deployment.map(|deployment| totebox_profile::policy(&deployment)))
    }

    /// The file that says what it ought to allow, if there is one.
    pub fn deployment(&self) -> Option<PathBuf> {
        let beside = self.system.with_file_name(DEPLOYMENT_FILE);
        match (self.profile, &self.deployment) {
            (Some(Profile::Microkit), _) => None,
            (None, None) if !beside.is_file() => None,
            (_, deployment) => Some(totebox_deployment::file(&deployment.clone().unwrap_or(beside))),
        }
    }
}

/// Reads a system description.
pub fn read(path: &Path) -> Result<System> {
    let xml = text(path, SYSTEM_MAX)?;
    Ok(System::parse(path, &xml)?)
}

/// Applies the rules to a description, or to what was built from it, if that is given with its file.
pub fn judge(
    file: &Path,
    system: &System,
    built: Option<(&Path, Spec)>,
    policy: Option<&Policy>,
    waivers: &mut Waivers,
) -> Result<Report> {
    let Some((image, spec)) = built else { return Ok(totebox_check::check(file, system, policy, waivers)) };
    let built = Built::of(&spec, system).with_context(|| image.shown().to_string())?;
    let made = Made { built: &built, declared: system };
    Ok(totebox_check::check_built(image, file, &made, policy, waivers))
}

/// What was built, if that is to be judged.
fn built<'a>(args: &'a Args, policy: Option<&Policy>) -> Result<Option<(&'a Path, Spec)>> {
    let named = |path: &Path| path.shown().to_string();
    let sdk = Sdk { folder: args.sdk.as_deref(), board: policy.map(|policy| policy.board.as_str()) };
    Ok(match (&args.image, &args.capdl) {
        (Some(path), _) => Some((path, read_image(path, sdk)?.spec().with_context(|| named(path))?)),
        (None, Some(path)) => Some((path, read_json(path)?.spec().with_context(|| named(path))?)),
        (None, None) => None,
    })
}

/// Reads what the Microkit tool wrote with `--capdl-json`.
pub fn read_json(path: &Path) -> Result<Json> {
    Json::parse(text(path, BUILT_MAX)?).with_context(|| path.shown().to_string())
}

/// Reads a file of waivers, if there is one.
pub fn waivers(path: Option<&Path>, has_policy: bool) -> Result<Waivers> {
    let Some(path) = path else { return Ok(Waivers::default()) };
    Ok(Waivers::parse(path, &text(path, SOURCE_MAX)?, has_policy)?)
}

fn text(path: &Path, len_max: usize) -> Result<String> {
    files::text(path, len_max).with_context(|| format!("cannot read {}", path.shown()))
}

fn print(report: &Report, closures: bool) -> Result<(), OutputError> {
    for finding in &report.findings {
        let (file, line, column) = (finding.file.shown(), finding.line, finding.column);
        let level = match (&finding.waived, finding.level) {
            (Some(_), _) => "waived: ",
            (None, Level::Note) => "note: ",
            (None, Level::Error) => "",
        };
        // What the description does not speak of has no place in it.
        let place = if line == 0 { format!("{file}") } else { format!("{file}:{line}:{column}") };
        outln!("{place}: {}: {level}{}", finding.rule, finding.message)?;
        outln!("    {}", finding.waived.as_ref().unwrap_or(&finding.help))?;
    }
    if closures {
        for (what, closure) in [("can influence", &report.influence), ("can be known to", &report.knowledge)] {
            for (name, all) in &closure.all {
                let show = |others: &[String]| if others.is_empty() { "nobody".into() } else { others.join(", ") };
                outln!("{name} {what}: {}", show(all))?;
                outln!("    without a mediator: {}", show(&closure.unmediated[name]))?;
            }
        }
    }
    for (id, verdict) in &report.verdicts {
        if let Verdict::NotJudged(why) = verdict {
            outln!("{id}: not judged: {why}")?;
        }
    }
    let judged = report.verdicts.iter().filter(|(_, verdict)| !matches!(verdict, Verdict::NotJudged(_))).count();
    let (file, profile) = (report.file.shown(), report.profile);
    match report.broken() {
        0 => outln!("{file}: {judged} of {} rules hold (profile {profile})", RULES.len()),
        1 => outln!("{file}: 1 finding (profile {profile})"),
        count => outln!("{file}: {count} findings (profile {profile})"),
    }
}
