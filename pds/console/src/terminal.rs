//! The operator's end of the line: what was typed, put together to lines, and the prompt.

use alloc::vec::Vec;

use totebox_console_protocol::control;
use totebox_console_protocol::data::LINE_MAX;

use super::input::Input;
use super::line::{Ending, LineEditor};
use super::output::Output;

/// The line's input, and how far who types has come.
pub struct Terminal {
    pub input: Input,
    pub editor: LineEditor,
    line: Vec<u8>,
    /// Prompts are shown: from the welcome on, or from the first command before it.
    pub greeted: bool,
    /// Who types knows that this console is there: it has shown its prompt, or Ctrl-C came. What is typed before may
    /// belong to what was under way when the appliance started anew.
    pub met: bool,
}

/// What a byte that was typed led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// It belongs to a line that has not ended.
    Part,
    Line(Ending),
    End,
}

impl Terminal {
    pub fn new() -> Self {
        let line = Vec::with_capacity(LINE_MAX);
        Terminal { input: Input::new(), editor: LineEditor::new(), line, greeted: false, met: false }
    }

    /// Takes the next byte, if there is one. A person's is shown.
    pub fn take(&mut self, output: &mut Output) -> Option<Typed> {
        let byte = self.input.pop()?;
        if byte == control::END && self.editor.is_empty() {
            return Some(Typed::End);
        }
        let ending = match output.is_checked() {
            true => self.editor.take(byte),
            false => self.editor.edit(byte, output),
        };
        Some(ending.map_or(Typed::Part, Typed::Line))
    }

    /// The line that has ended. Its memory is to be given back.
    pub fn take_line(&mut self) -> Vec<u8> {
        let mut line = core::mem::take(&mut self.line);
        self.editor.finish(&mut line);
        line
    }

    /// Keeps the memory for the next line.
    pub fn give_back(&mut self, line: Vec<u8>) {
        self.line = line;
    }

    /// Shows this prompt, and after it what was typed before something else was shown.
    pub fn prompt(&self, prompt: &str, output: &mut Output) {
        output.raw(prompt);
        output.typed(self.editor.shown());
    }
}
