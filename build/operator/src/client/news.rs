//! What has changed at the appliance between two looks at it, in the words in which its console tells it to whoever
//! is at the line: so that somebody who watches need not keep the line to themselves.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::flags::{Flag, flags};
use super::lines::Refusal;
use super::session::Session;
use super::status::{Status, Volume, status};

/// What was seen at the last look. The first look brings no news.
#[derive(Debug, Default)]
pub struct News {
    /// Every volume, and what was said of its state.
    states: Option<BTreeMap<String, String>>,
    flags: BTreeSet<u64>,
}

impl News {
    /// Looks at the appliance; its state, and what is new.
    pub fn look(&mut self, session: &mut Session) -> Result<Result<(Status, Vec<String>), Refusal>> {
        let status = match status(session)? {
            Ok(status) => status,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let shown = if status.flags > 0 || !self.flags.is_empty() {
            match flags(session)? {
                Ok(flags) => flags.flags,
                Err(refusal) => return Ok(Err(refusal)),
            }
        } else {
            Vec::new()
        };
        let news = self.compare(&status, &shown);
        Ok(Ok((status, news)))
    }

    /// What is new in a state and the flags.
    fn compare(&mut self, status: &Status, flags: &[Flag]) -> Vec<String> {
        let states: BTreeMap<_, _> =
            status.volumes.iter().map(|volume| (volume.name.clone(), state(volume))).collect();
        let ids = flags.iter().map(|flag| flag.flag).collect();
        let known = std::mem::replace(&mut self.flags, ids);
        let Some(before) = self.states.replace(states) else { return Vec::new() };
        // Those of an earlier time are listed as well, and are no news.
        let fresh = flags.iter().filter(|flag| flag.acknowledged == "no" && !known.contains(&flag.flag));
        let fresh = fresh.map(|flag| {
            let about = flag.archive.as_ref().map(|archive| format!("{archive} ")).unwrap_or_default();
            format!("flag {} {about}{}", flag.flag, flag.text)
        });
        let changed = status.volumes.iter().filter_map(|volume| {
            let state = state(volume);
            let what = if volume.kind == "archive" { "archive" } else { "volume" };
            (before.get(&volume.name) != Some(&state)).then(|| format!("{what} {} is {state}", volume.name))
        });
        fresh.chain(changed).collect()
    }
}

/// A volume's state, with the reason if that is worth a look.
fn state(volume: &Volume) -> String {
    volume.trouble.as_ref().unwrap_or(&volume.state).clone()
}
