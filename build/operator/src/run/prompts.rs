//! The console's prompts in what is shown to somebody who is at no terminal: a file, a log. Each time a client has gone the
//! console shows its prompt again, which says nothing where the last thing that was shown is a prompt. (A terminal has been
//! told meanwhile who had the line.)

/// What the console shows when it is ready for a command. Before the first one it shows no content.
pub const PROMPT: &[u8] = b"totebox> ";

#[derive(Debug, Default)]
pub struct Prompts {
    /// The last bytes that were shown, as many as a prompt has.
    shown: Vec<u8>,
    /// How much of a prompt was held back, while it may be one too many.
    held: Option<usize>,
}

impl Prompts {
    /// The operator has the line again.
    pub fn comes_back(&mut self, terminal: bool) {
        self.held = (!terminal && self.shown == PROMPT).then_some(0);
    }

    /// Takes what the console shows next; returns what of it is to be shown.
    pub fn pass(&mut self, piece: Vec<u8>) -> Vec<u8> {
        let mut piece = piece;
        if let Some(held) = self.held {
            let expected = &PROMPT[held..];
            let same = piece.iter().zip(expected).take_while(|(a, b)| a == b).count();
            if same == piece.len().min(expected.len()) {
                piece.drain(..same);
                self.held = (same < expected.len()).then_some(held + same);
            } else {
                // It begins like a prompt, and is none.
                piece.splice(..0, PROMPT[..held].iter().copied());
                self.held = None;
            }
        }
        self.shown.extend_from_slice(&piece[piece.len().saturating_sub(PROMPT.len())..]);
        self.shown.drain(..self.shown.len().saturating_sub(PROMPT.len()));
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown of pieces, each cut at every byte, after the line has come back behind `before`.
    fn shown(before: &str, terminal: bool, after: &str) -> String {
        let seen = |cut: usize| {
            let mut prompts = Prompts::default();
            let mut seen = prompts.pass(before.as_bytes().to_vec());
            prompts.comes_back(terminal);
            let (first, second) = after.as_bytes().split_at(cut);
            [first, second].into_iter().for_each(|piece| seen.extend(prompts.pass(piece.to_vec())));
            String::from_utf8(seen).unwrap()
        };
        let whole = seen(0);
        (0..=after.len()).for_each(|cut| assert_eq!(seen(cut), whole));
        whole
    }

    #[test]
    fn a_prompt_is_not_shown_behind_a_prompt() {
        let up = "*up\r\ntotebox> ";
        assert_eq!(shown(up, false, "totebox> "), up);
        assert_eq!(shown(up, false, "totebox> \r\n*news\r\ntotebox> "), "*up\r\ntotebox> \r\n*news\r\ntotebox> ");
        assert_eq!(shown(up, false, "toteboard"), "*up\r\ntotebox> toteboard");
        assert_eq!(shown("*up\r\n", false, "totebox> "), up);
        // At a terminal a word of the bridge's own stands between.
        assert_eq!(shown(up, true, "totebox> "), "*up\r\ntotebox> totebox> ");
    }
}
