//! Which characters are harmless wherever they are shown.

/// Whether a character shows as itself and as nothing else: not a control character, nothing that changes the
/// direction of text, no line or paragraph separator, nothing invisible (zero width, joiners, fillers, selectors of
/// variants), and no code point that is private, unassigned or no character. Blanks of every width are printable,
/// and so are combining marks, which European file names have when they come from a Mac.
pub fn is_printable(character: char) -> bool {
    match character {
        ' '..='~' => true,
        _ => is_blank(character) || (!is_filler(character) && !is_escaped_in_debug(character)),
    }
}

/// Unicode's space separators (category Zs).
fn is_blank(character: char) -> bool {
    matches!(character, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

/// Letters and marks that Unicode has for technical reasons and that show nothing: its "default ignorable" code
/// points that are not format characters.
fn is_filler(character: char) -> bool {
    matches!(
        character,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

/// Whether `Debug` of a text escapes this character. Its table, which the core library has anyway, covers the
/// categories Cc, Cf, Cn, Co, Cs, Zl, Zp and Zs; the test compares it with Unicode's own.
fn is_escaped_in_debug(character: char) -> bool {
    // Behind another character, since a combining mark is escaped only where there is nothing to combine with.
    let mut text = [b'x'; 5];
    let len = character.encode_utf8(&mut text[1..]).len();
    let shown = core::str::from_utf8(&text[..1 + len]).ok().and_then(|text| text.escape_debug().nth(1));
    shown != Some(character)
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_properties::{GeneralCategory as Is, UnicodeGeneralCategory};

    #[test]
    fn printable_is_what_unicode_says_it_is() {
        for character in '\0'..=char::MAX {
            let expected = match character.general_category() {
                Is::Control | Is::Format | Is::LineSeparator | Is::ParagraphSeparator => false,
                Is::PrivateUse | Is::Surrogate => false,
                // The core library may know a newer Unicode.
                Is::Unassigned => continue,
                _ => !is_filler(character),
            };
            assert_eq!(is_printable(character), expected, "U+{:04X}", character as u32);
        }
    }

    #[test]
    fn what_attacks_is_not_printable() {
        let attacks = "\0\u{7}\n\r\t\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{61c}\u{180e}\u{200b}\u{200d}\u{200e}\u{2028}\
                       \u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{3164}\u{e000}\u{fdd0}\u{fe0f}\u{feff}\
                       \u{ffff}\u{378}\u{e0041}\u{e0100}\u{1fffe}\u{10fffd}";
        for character in attacks.chars() {
            assert!(!is_printable(character), "U+{:04X}", character as u32);
        }
    }

    #[test]
    fn what_people_write_is_printable() {
        let text =
            "Zürich März \u{a0}Zu\u{308}rich 漢字\u{3000}かな עברית العربية हिन्दी ไทย 한국어 Ω€☃ 👨 / ／ K K";
        for character in text.chars() {
            assert!(is_printable(character), "U+{:04X}", character as u32);
        }
    }
}
