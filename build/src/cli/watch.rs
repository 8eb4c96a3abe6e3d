//! Showing something again and again until Ctrl-C: in place at a terminal, else one block after another.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{IsTerminal, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use totebox_common::{errln, out, output};
use totebox_operator::client::{Interrupted, NoAnswer};
use totebox_shown::Shown;

use super::Outcome;

/// The cursor goes to the top left; the rest of a line is cleared; what is below is cleared.
const HOME: &[u8] = b"\x1b[H";
const CLEAR_LINE: &[u8] = b"\x1b[K\n";
const CLEAR_BELOW: &[u8] = b"\x1b[J";

/// News shown below, the last ones.
const NEWS_MAX: usize = 5;

/// How long Ctrl-C may go unnoticed.
const PIECE: Duration = Duration::from_millis(100);

/// What a look saw.
pub struct Seen {
    pub text: String,
    pub news: Vec<String>,
    pub outcome: Outcome,
}

/// Where it is shown.
pub struct Screen {
    terminal: bool,
    news: RefCell<VecDeque<String>>,
}

impl Screen {
    /// Standard output.
    pub fn new() -> Screen {
        Screen { terminal: stdout().is_terminal(), news: RefCell::default() }
    }

    /// Tells news of the appliance: at a terminal they are shown below, with what is shown next.
    fn tell(&self, text: &str) {
        if !self.terminal {
            return errln!("appliance: {text}");
        }
        let mut news = self.news.borrow_mut();
        if news.len() == NEWS_MAX {
            news.pop_front();
        }
        news.push_back(text.to_string());
    }

    fn show(&self, text: &str) -> Result<()> {
        if !self.terminal {
            out!("{text}")?;
            return Ok(output::flush()?);
        }
        let news = self.news.borrow();
        let news = news.iter().map(|text| format!("appliance: {text}"));
        output::bytes(HOME)?;
        for line in text.lines().map(str::to_string).chain(news) {
            out!("{}", Shown(line))?;
            output::bytes(CLEAR_LINE)?;
        }
        output::bytes(CLEAR_BELOW)?;
        Ok(output::flush()?)
    }
}

/// Shows what `look` sees, every so many seconds, and the news it brings. Between two looks nothing is held. Ends on
/// Ctrl-C, with what was seen last; a second Ctrl-C ends it wherever it is. While the console does not answer, because
/// others are at work with it, what was seen last stays.
pub fn run(
    seconds: u64,
    screen: &Screen,
    mut look: impl FnMut(&Arc<AtomicBool>) -> Result<Seen>,
) -> Result<Outcome> {
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_default(signal, ended.clone())?;
        flag::register(signal, ended.clone())?;
    }
    // Until something was seen it is not known to be sound.
    let mut last = Outcome::Found;
    while !ended.load(Ordering::Relaxed) {
        let seen = Instant::now();
        match look(&ended) {
            Ok(Seen { text, news, outcome }) => {
                news.iter().for_each(|text| screen.tell(text));
                screen.show(&text)?;
                last = outcome;
            }
            Err(error) if error.is::<Interrupted>() => break,
            Err(error) if error.is::<NoAnswer>() => screen.tell(&format!("{error}")),
            Err(error) => return Err(error),
        }
        while seen.elapsed() < Duration::from_secs(seconds) && !ended.load(Ordering::Relaxed) {
            std::thread::sleep(PIECE);
        }
    }
    Ok(last)
}
