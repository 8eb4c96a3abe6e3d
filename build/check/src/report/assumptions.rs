//! What a report cannot show and takes for granted: docs/threat-model.md in short, for this system.

use maud::{Markup, html};

use crate::{Case, Judge, RULES, Verdict, list, sentence};

/// The assumptions, each with what it is about.
pub fn section(case: &Case, checked: &crate::Report) -> Markup {
    let domains = case.system.all_protection_domains();
    let told: Vec<&str> =
        domains.iter().filter(|(pd, _)| !pd.setvars.is_empty()).map(|(pd, _)| pd.name.as_str()).collect();
    let dma = match told[..] {
        [] => "Nobody is told a physical address.".to_owned(),
        _ => format!(
            "{} {} told physical addresses. Unless an I/O address space confines the device (ISO-12), the driver can \
             have it reach all memory, and nothing else in this report binds it.",
            list(&told),
            if told.len() == 1 { "is" } else { "are" }
        ),
    };
    let built = RULES.iter().zip(&checked.verdicts).any(|(rule, (_, verdict))| {
        matches!(rule.judge, Judge::Built(_)) && !matches!(verdict, Verdict::NotJudged(_))
    });
    let rights = match built {
        true => "What was built was looked at: ISO-4 is about it.",
        false => "What was built was not looked at, so that ISO-4 is open.",
    };
    let programs = match case.policy {
        Some(policy) => format!(
            "What a domain does with what it may do. The mediators ({}) are trusted not to carry one {}'s data to \
             another; that they do not is tested, not proved.",
            sentence(policy.mediators(), "and"),
            policy.isolated().map_or("domain", |role| role.name)
        ),
        None => {
            "What a domain does with what it may do, and whether it needs it: there is no policy to compare with."
                .into()
        }
    };
    let assumptions = [
        (
            "The kernel",
            "seL4's proofs of integrity and confinement are for its verified configurations. Microkit uses the MCS \
             kernel, whose code proofs are not finished: that it enforces what is written here is assumed."
                .into(),
        ),
        (
            "Rights of what was built",
            format!(
                "Stock Microkit 2.3.0 gives the capabilities of channels more rights than the description states, and \
                 leaves in every domain one to the endpoint its faults go to. Only a hardened image allows no more \
                 than this report. {rights}"
            ),
        ),
        ("DMA", format!("{dma} A driver that learns an address in another way is not seen here.")),
        (
            "Timing channels",
            "Caches, and the time an answer takes, are outside the proofs and not closed. Budgets bound how long \
             somebody runs; they do not hide when."
                .into(),
        ),
        ("Programs", programs),
        (
            "Machine and build",
            "The processor, its firmware and the boot loader do what their manuals say; the Microkit tool and its \
             initialiser build what the description states; the machine that built the image was in good hands. The \
             hashes below let somebody else build it again and compare."
                .into(),
        ),
    ];
    html! { dl { @for (about, text) in assumptions { dt { (about) } dd { (text) } } } }
}
