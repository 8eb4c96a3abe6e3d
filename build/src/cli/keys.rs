//! `totebox keys`.

use std::path::PathBuf;

use anyhow::Result;
use totebox_common::{errln, outln};
use totebox_deployment::Deployment;
use totebox_deployment::keys::signer;

use super::Outcome;

/// Prints the public keys of the checkpoints, one a line: every archive's, and behind them that of the appliance's own
/// auditor, which signs for its audit record and cosigns. It is what an auditor needs, once.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox keys > archives.vkey")]
pub struct Args {
    /// The deployment's directory, or its totebox.toml.
    #[arg(default_value = ".")]
    deployment: PathBuf,
    /// Make the keys that are missing, in keys/ beside totebox.toml.
    #[arg(long)]
    make: bool,
}

pub fn run(args: Args) -> Result<Outcome> {
    let deployment = Deployment::load(&args.deployment)?;
    if args.make {
        for name in deployment.make_keys()? {
            errln!("made a signing key for {}", signer(name));
        }
    }
    for key in deployment.keys()? {
        outln!("{}", key.verifier())?;
    }
    Ok(Outcome::Fine)
}
