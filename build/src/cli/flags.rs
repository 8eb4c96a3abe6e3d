//! `totebox flags` and `totebox ack`.

use anyhow::Result;
use totebox_common::{doneln, errln, out, outln};
use totebox_console_protocol::FINDINGS_MAX;
use totebox_console_protocol::views::{FindingCount, FlagCount, FlagLine, RangeLine};
use totebox_operator::client::Session;
use totebox_operator::client::flags::{Flag, Range, acknowledge, findings, flags};

use super::appliance::{Appliance, TIMEOUT, refused};
use super::{Outcome, number, output};

/// Shows every flag: those not acknowledged first, the most serious of them first of all.
#[derive(clap::Args)]
#[command(
    after_help = "Exits with 1 if a flag is not acknowledged, or the flags are only the last that were known; with \
                  --volume, if the last audit found something.\n\
                  Example: totebox flags --volume finance"
)]
pub struct Args {
    /// Where everything is that the last audit of this volume found beyond the first findings, which are flags.
    #[arg(long, value_name = "VOLUME")]
    volume: Option<String>,
    /// Print the flags as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    appliance: Appliance,
}

pub fn run(args: Args) -> Result<Outcome> {
    let mut session = args.appliance.open_at_once(TIMEOUT)?;
    if let Some(volume) = &args.volume {
        return show_findings(session, volume, args.json);
    }
    let flags = match flags(&mut session)? {
        Ok(flags) => flags,
        Err(refusal) => return refused(&refusal),
    };
    drop(session);
    if args.json {
        output::json(&flags)?;
    } else {
        if !flags.flags.is_empty() {
            out!("{}", output::table(FlagLine::columns(), flags.flags.iter().map(line)))?;
        }
        for more in &flags.more {
            let (archive, findings) = (&more.archive, more.findings);
            outln!("{archive} has {findings} more findings; where they are: totebox flags --volume {archive}")?;
        }
        if flags.message.is_none() {
            outln!("{}", FlagCount { open: flags.open, hidden: flags.hidden })?;
        }
    }
    if let Some(message) = &flags.message {
        errln!("totebox: {message}");
    }
    if flags.not_understood > 0 {
        errln!("totebox: {} more flags are of a form this tool does not understand", flags.not_understood);
    }
    let fine = flags.open == 0 && flags.not_understood == 0 && flags.message.is_none();
    Ok(if fine { Outcome::Fine } else { Outcome::Found })
}

fn show_findings(mut session: Session, volume: &str, json: bool) -> Result<Outcome> {
    let found = match findings(&mut session, volume)? {
        Ok(found) => found,
        Err(refusal) => return refused(&refusal),
    };
    drop(session);
    let (findings, listed) = (found.findings, found.listed);
    if json {
        output::json(&found)?;
    } else {
        if !found.ranges.is_empty() {
            out!("{}", output::table(RangeLine::columns(), found.ranges.iter().map(range_line)))?;
        }
        let flagged = FINDINGS_MAX as u64;
        outln!("{}", FindingCount { archive: volume, findings, listed, flagged })?;
    }
    if found.not_understood > 0 {
        errln!("totebox: {} more ranges are of a form this tool does not understand", found.not_understood);
    }
    Ok(if findings == 0 && found.not_understood == 0 { Outcome::Fine } else { Outcome::Found })
}

fn range_line(range: &Range) -> RangeLine<'_> {
    let &Range { findings, ref finding, ref area, block, last_block, record, last_record } = range;
    RangeLine { findings, kind: finding, area, block, last_block, record, last_record }
}

fn line(flag: &Flag) -> FlagLine<'_, &str> {
    FlagLine {
        id: flag.flag,
        raised_ms: flag.raised_ms,
        archive: flag.archive.as_deref().unwrap_or_default(),
        acknowledged: &flag.acknowledged,
        text: &flag.text,
    }
}

/// Acknowledges a flag. The reason is recorded for good.
#[derive(clap::Args)]
#[command(after_help = "Exits with 1 if it is acknowledged but not recorded, with 2 if the flag stays open.\n\
                        Example: totebox ack 7 restored from the copy of May")]
pub struct AckArgs {
    /// The flag's number; `totebox flags` shows it.
    #[arg(value_parser = number::<u32>)]
    flag: u32,
    /// Why it need not be looked at any more, at most 120 bytes.
    #[arg(required = true, value_name = "REASON")]
    reason: Vec<String>,
    /// Print what was acknowledged as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    appliance: Appliance,
}

pub fn ack(args: AckArgs) -> Result<Outcome> {
    let (flag, reason) = (args.flag, args.reason.join(" "));
    let mut session = args.appliance.open_at_once(TIMEOUT)?;
    let done = acknowledge(&mut session, flag, &reason)??;
    match args.json {
        true => output::json_done(&done)?,
        false => doneln!("flag {flag} is acknowledged")?,
    }
    if let Some(message) = &done.message {
        errln!("totebox: unrecorded: {message}");
    }
    Ok(if done.recorded { Outcome::Fine } else { Outcome::Found })
}
