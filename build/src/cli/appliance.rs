//! What the commands that speak with a running appliance share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Result, bail};
use indicatif::ProgressBar;
use totebox_common::errln;
use totebox_deployment::Deployment;
use totebox_operator::client::lines::Refusal;
use totebox_operator::client::progress::Progress;
use totebox_operator::client::status::await_start;
use totebox_operator::client::{Address, Connection, Session, Timing};
use totebox_operator::run::default_console;

use super::output::progress_bytes;
use super::{Outcome, number};

/// Which appliance, and how long to wait for it.
#[derive(clap::Args)]
pub struct Appliance {
    /// The console of the running appliance: unix:PATH. The default is that of the deployment in this folder.
    #[arg(long, value_name = "ADDRESS", default_value = "unix:target/run/console")]
    connect: Address,
    /// The deployment whose appliance it is: its directory, or its totebox.toml. Its console is where `totebox run` puts
    /// it if it is not told otherwise.
    #[arg(long, value_name = "DIR", conflicts_with = "connect")]
    deployment: Option<PathBuf>,
    /// Give up when nothing moved for this long.
    #[arg(long, value_name = "SECONDS", value_parser = number::<u64>)]
    timeout: Option<u64>,
}

impl Appliance {
    /// Opens a session with an appliance that is up, or waits for it; `timeout` is how long to wait if the
    /// operator does not say. What happens at the appliance meanwhile is told on standard error.
    pub fn open(&self, timeout: Duration) -> Result<Session> {
        let mut session = self.open_at_once(timeout)?;
        await_start(&mut session)?;
        Ok(session)
    }

    /// Looks whether there may be an appliance, without taking its line.
    pub fn look_for(&self) -> Result<()> {
        self.address()?.look_for()
    }

    /// Opens a session, whether the appliance is up or still starting.
    pub fn open_at_once(&self, timeout: Duration) -> Result<Session> {
        let news = Box::new(|text: &str| errln!("appliance: {text}"));
        Session::open(Connection::open(&self.address()?)?, self.timing(timeout), news)
    }

    /// The same for a look that ends soon after `ended` is set, with [`totebox_operator::client::Interrupted`]. What
    /// happens meanwhile is not told.
    pub fn open_until(&self, timeout: Duration, ended: &Arc<AtomicBool>) -> Result<Session> {
        let mut connection = Connection::open(&self.address()?)?;
        connection.end_with(ended.clone());
        Session::open(connection, self.timing(timeout), Box::new(|_| {}))
    }

    fn address(&self) -> Result<Address> {
        Ok(match &self.deployment {
            Some(deployment) => Address::Unix(default_console(&Deployment::load(deployment)?)),
            None => self.connect.clone(),
        })
    }

    fn timing(&self, timeout: Duration) -> Timing {
        let timeout = self.timeout.map_or(timeout, |seconds| Duration::from_secs(seconds).min(FOREVER));
        Timing { quiet: Timing::default().quiet.min(timeout), timeout }
    }
}

/// As long as anybody waits, and short enough to be added to any time.
const FOREVER: Duration = Duration::from_secs(100 * 366 * 86_400);

/// How long to wait for something to move, if the operator does not say.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The appliance refused. That what was asked for is damaged, not there, or no longer known for certain is a result;
/// anything else means that the command could not be carried out.
pub fn refused(refusal: &Refusal) -> Result<Outcome> {
    let name = refusal.name.as_str();
    if !matches!(name, "damaged" | "not-found" | "not-a-document" | "not-answering" | "mismatch") {
        bail!("{refusal}");
    }
    errln!("totebox: {refusal}");
    Ok(Outcome::Found)
}

/// Progress as a bar on standard error.
#[derive(Default)]
pub struct Bar(Option<ProgressBar>);

impl Progress for Bar {
    fn begin(&mut self, label: &str, size: u64) {
        self.0 = Some(progress_bytes(label, size));
    }

    fn at(&mut self, position: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(position);
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.finish_and_clear();
        }
    }
}
