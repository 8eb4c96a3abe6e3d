//! Showing something again and again until Ctrl-C: in place at a terminal, else one block after another.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{IsTerminal, stdout};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use totebox::client::Session;
use totebox::output;
use totebox::{errln, out, outln};

use super::Outcome;

/// The cursor goes to the top left; the rest of a line is cleared; what is below is cleared.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// News shown below, the last ones.
const NEWS_MAX: usize = 5;

/// How long Ctrl-C may go unnoticed.
const PIECE: Duration = Duration::from_millis(100);

/// Where it is shown.
pub struct Screen {
    terminal: bool,
    news: Rc<RefCell<VecDeque<String>>>,
}

impl Screen {
    /// Standard output.
    pub fn new() -> Screen {
        Screen { terminal: stdout().is_terminal(), news: Rc::default() }
    }

    /// What to do with news of the appliance: at a terminal they are shown below.
    pub fn news(&self) -> Box<dyn FnMut(&str)> {
        let (terminal, news) = (self.terminal, self.news.clone());
        Box::new(move |text| {
            if !terminal {
                return errln!("appliance: {text}");
            }
            let mut news = news.borrow_mut();
            if news.len() == NEWS_MAX {
                news.pop_front();
            }
            news.push_back(text.to_string());
        })
    }

    fn show(&self, text: &str) -> Result<()> {
        if !self.terminal {
            out!("{text}")?;
            return Ok(output::flush()?);
        }
        let news = self.news.borrow();
        let news = news.iter().map(|text| format!("appliance: {text}"));
        out!("{HOME}")?;
        for line in text.lines().map(str::to_string).chain(news) {
            outln!("{line}{CLEAR_LINE}")?;
        }
        out!("{CLEAR_BELOW}")?;
        Ok(output::flush()?)
    }
}

/// Shows what `look` sees, every so many seconds. Ends on Ctrl-C, with what was seen last; a second Ctrl-C
/// ends it wherever it is.
pub fn run(
    seconds: u64,
    screen: &Screen,
    session: &mut Session,
    mut look: impl FnMut(&mut Session) -> Result<(String, Outcome)>,
) -> Result<Outcome> {
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_default(signal, ended.clone())?;
        flag::register(signal, ended.clone())?;
    }
    loop {
        let (text, outcome) = look(session)?;
        screen.show(&text)?;
        let shown = Instant::now();
        while shown.elapsed() < Duration::from_secs(seconds) {
            if ended.load(Ordering::Relaxed) {
                return Ok(outcome);
            }
            session.pause(PIECE)?;
        }
    }
}
