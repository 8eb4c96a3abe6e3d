//! `totebox report`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use totebox_check::Policy;
use totebox_check::report::{self, HashedFile, Inputs, hash, shown};
use totebox_common::outln;
use totebox_shown::ShowPath;

use super::Outcome;
use super::check::{Source, judge, waivers};
use super::image::{Sdk, read_image};
use super::output::Force;

/// Writes all an auditor needs to judge a system description into one HTML file.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox report system.xml -o report.html\n\
                        The file loads nothing and runs nothing. Exit code 1: a rule is broken.")]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// The report.
    #[arg(short, long, value_name = "FILE.html")]
    output: PathBuf,
    #[command(flatten)]
    force: Force,
    /// Findings that are accepted, each with a reason.
    #[arg(long, value_name = "FILE")]
    waivers: Option<PathBuf>,
    /// The Microkit SDK the image is built with, to compare the image with it and to state the hashes of its files.
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
    /// The bootable image: the rules are applied to what it allows, and its hash is stated.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
}

pub fn run(args: Args) -> Result<Outcome> {
    let target = args.force.target(&args.output)?;
    let (system, policy) = (args.source.read()?, args.source.policy()?);
    let mut waivers = waivers(args.waivers.as_deref(), policy.is_some())?;
    let sdk = Sdk { folder: args.sdk.as_deref(), board: policy.as_ref().map(|policy| policy.board.as_str()) };
    let image = match &args.image {
        Some(path) => Some((path.as_path(), read_image(path, sdk)?.spec().with_context(|| shown(path))?)),
        None => None,
    };
    let checked = judge(&args.source.system, &system, image, policy.as_ref(), &mut waivers)?;
    let unused = waivers.unused().map(|(rule, name)| (rule.to_owned(), name.to_owned()));
    let page = report::page(&Inputs {
        system: &system,
        policy: policy.as_ref(),
        checked: &checked,
        waivers_unused: unused.collect(),
        files: files(&args, policy.as_ref())?,
        commands: commands(&args),
    });
    target.write(page.as_bytes())?;
    outln!("wrote {}", args.output.shown())?;
    Ok(if checked.broken() == 0 { Outcome::Fine } else { Outcome::Found })
}

/// Every file the report is made from or speaks of.
fn files(args: &Args, policy: Option<&Policy>) -> Result<Vec<HashedFile>> {
    let deployment = args.source.deployment();
    let named = [Some(&args.source.system), deployment.as_ref(), args.waivers.as_ref(), args.image.as_ref()];
    let mut files = named.into_iter().flatten().map(|path| hash(path, shown(path))).collect::<Result<Vec<_>>>()?;
    if let Some(sdk) = &args.sdk {
        files.extend(report::sdk(sdk, policy.map(|policy| policy.board.as_str()))?);
    }
    Ok(files)
}

/// How to make the report again.
fn commands(args: &Args) -> Vec<String> {
    let option =
        |name: &str, path: Option<&Path>| path.map_or(String::new(), |at| format!(" {name} {}", shown(at)));
    let deployment = args.source.deployment();
    let system = shown(&args.source.system);
    let with = match &deployment {
        Some(path) => option("--deployment", Some(path)),
        None => " --profile microkit".to_owned(),
    } + &option("--waivers", args.waivers.as_deref());
    let built = option("--sdk", args.sdk.as_deref()) + &option("--image", args.image.as_deref());
    let stale = deployment.map(|path| format!("totebox system {} --check", shown(&path)));
    let rest = [
        format!("totebox check {system}{with}{}", option("--image", args.image.as_deref())),
        format!("totebox report {system}{with}{built} -o report.html"),
    ];
    stale.into_iter().chain(rest).collect()
}
