//! File names made from foreign ones: those of documents and volumes. What comes out can be a file's name on every
//! common system, means nothing to a shell or a terminal, and stays the same when the file is copied elsewhere.

use totebox_shown::is_printable;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::decompose_compatible;

/// Bytes of a file's name at most, on all common file systems.
const LEN_MAX: usize = 255;

/// Bytes of an ending (`.pdf`) that is kept when a name has to be cut, at most.
const ENDING_MAX: usize = 16;

/// Names that Windows has for devices, whatever ending follows and in whatever case.
const DEVICES: [&str; 7] = ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"];

/// The name with everything replaced by `_` that is not harmless somewhere: what is not printable, what separates
/// folders, drives and streams or stands for other characters on Windows; a dot at the start, which hides a file; a
/// hyphen there, which makes it an option; dots and blanks at the end, which Windows drops. The name of a device
/// gets a `_` before it. Equal texts become equal names (Unicode's NFC), and a long name is cut before its ending.
pub fn portable(name: &str) -> String {
    let mut name: String =
        name.nfc().map(|character| if is_harmless(character) { character } else { '_' }).collect();
    if name.starts_with(['.', '-']) {
        name.replace_range(..1, "_");
    }
    if is_device(&name) {
        name.insert(0, '_');
    }
    let mut name = cut(name);
    let kept = name.trim_end_matches(['.', ' ']).len();
    let dropped = name.len() - kept;
    name.replace_range(kept.., &"_".repeat(dropped));
    if name.is_empty() { "_".into() } else { name }
}

fn is_harmless(character: char) -> bool {
    let separates = |character| matches!(character, '/' | '\\' | ':');
    // A full-width slash separates nothing, but programs that fold characters make a slash of it.
    let mut folds_to_separator = false;
    decompose_compatible(character, |part| folds_to_separator |= separates(part));
    is_printable(character) && !folds_to_separator && !matches!(character, '*' | '?' | '"' | '<' | '>' | '|')
}

fn is_device(name: &str) -> bool {
    let stem = name.split(['.', ':']).next().unwrap_or_default().trim_end().to_lowercase();
    let numbered = |stem: &str| {
        let mut rest = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"))?.chars();
        let number = rest.next()?;
        Some(rest.next().is_none() && (number.is_ascii_digit() || matches!(number, '¹' | '²' | '³')))
    };
    DEVICES.contains(&&*stem) || numbered(&stem) == Some(true)
}

/// The name in [`LEN_MAX`] bytes, with its ending.
fn cut(mut name: String) -> String {
    let Some(too_long) = name.len().checked_sub(LEN_MAX).filter(|&bytes| bytes > 0) else { return name };
    let ending = name.rfind('.').filter(|&dot| name.len() - dot <= ENDING_MAX).unwrap_or(name.len());
    let start = name.floor_char_boundary(ending - too_long);
    name.replace_range(start..ending, "");
    name
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use totebox_shown::testing::{hostile_texts, unprintable};

    use super::*;

    #[test]
    fn hostile_names_become_harmless() {
        let cases = [
            ("Vertrag März.pdf", "Vertrag März.pdf"),
            ("../../etc/passwd", "_._.._etc_passwd"),
            ("a\0b\nc\u{1b}[2J\\d", "a_b_c_[2J_d"),
            ("invoice\u{202e}fdp.exe", "invoice_fdp.exe"),
            ("C:\\Windows\\win.ini", "C__Windows_win.ini"),
            ("what?.txt", "what_.txt"),
            ("trailing space ", "trailing space_"),
            ("dots. .", "dots___"),
            (".. ", "___"),
            ("   ", "___"),
            ("", "_"),
            (".bashrc", "_bashrc"),
            ("-rf", "_rf"),
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("Aux .tar.gz", "_Aux .tar.gz"),
            ("com1", "_com1"),
            ("LPT³.x", "_LPT³.x"),
            ("com10", "com10"),
            ("console", "console"),
            ("／etc／passwd", "_etc_passwd"),
            ("K", "K"),
            ("Zu\u{308}rich", "Zürich"),
        ];
        for (name, harmless) in cases {
            assert_eq!(portable(name), harmless, "{name:?}");
        }
    }

    #[test]
    fn what_is_harmless_stays_as_it_is() {
        for name in hostile_texts() {
            let harmless = portable(&name);
            assert_eq!(unprintable(&harmless), None, "{name:?}");
            assert!((1..=LEN_MAX).contains(&harmless.len()), "{name:?}");
            assert!(!harmless.contains(['/', '\\', ':', '\n']) && !harmless.ends_with(['.', ' ']), "{name:?}");
            assert_eq!(portable(&harmless), harmless, "{name:?}");
        }
        // Twins of one text are one name; twins by case are two, and a number before them keeps them apart.
        let twins: HashSet<String> = ["Zürich.pdf", "Zu\u{308}rich.pdf"].map(portable).into();
        assert_eq!(twins.len(), 1);
        assert_ne!(portable("000001 readme").to_lowercase(), portable("000002 README").to_lowercase());
    }

    #[test]
    fn a_long_name_keeps_its_ending() {
        let long = portable(&format!("000007 {}.pdf", "ü".repeat(200)));
        assert!(long.len() > LEN_MAX - 4 && long.len() <= LEN_MAX && long.ends_with("ü.pdf"), "{long}");
        let long = portable(&"n".repeat(300));
        assert_eq!(long.len(), LEN_MAX);
        let long = portable(&format!("x.{}", "n ".repeat(200)));
        assert!(long.len() == LEN_MAX && long.ends_with('_') || long.ends_with('n'), "{long}");
    }
}
