//! Finds a text in a stream that comes in pieces.

/// Looks for one text.
#[derive(Debug)]
pub struct Finder {
    text: &'static [u8],
    /// The last bytes seen, fewer than the text has.
    seen: Vec<u8>,
}

impl Finder {
    pub fn new(text: &'static [u8]) -> Finder {
        Finder { text, seen: Vec::new() }
    }

    /// Takes the next piece. If the text ends in it: how many of the piece's bytes go up to there.
    pub fn find(&mut self, piece: &[u8]) -> Option<usize> {
        let earlier = self.seen.len();
        self.seen.extend_from_slice(piece);
        if let Some(start) = self.seen.windows(self.text.len()).position(|window| window == self.text) {
            self.seen.clear();
            return Some(start + self.text.len() - earlier);
        }
        let surplus = self.seen.len().saturating_sub(self.text.len() - 1);
        self.seen.drain(..surplus);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_however_the_stream_is_cut() {
        let stream = b"xxababac ab";
        for cut in 0..=stream.len() {
            let (first, second) = stream.split_at(cut);
            let mut finder = Finder::new(b"abac");
            let found = finder.find(first).or_else(|| finder.find(second).map(|end| first.len() + end));
            assert_eq!(found, Some(8), "cut at {cut}");
        }
        let mut finder = Finder::new(b"abac");
        assert!(stream.iter().map(|&byte| finder.find(&[byte])).eq((0..11).map(|n| (n == 7).then_some(1))));
    }

    #[test]
    fn a_text_that_is_not_there_is_not_found() {
        let mut finder = Finder::new(b"abac");
        assert_eq!([finder.find(b"aba"), finder.find(b"ba"), finder.find(b""), finder.find(b"b")], [None; 4]);
    }
}
