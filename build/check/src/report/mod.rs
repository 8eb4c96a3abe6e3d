//! `totebox report`: all an auditor needs to judge a system description, as one HTML file that loads
//! nothing and runs nothing. The same inputs give the same bytes.

mod assumptions;
mod files;
mod matrix;

use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use totebox_sdf::System;
use totebox_shown::{Lines, ShowPath, Shown};

use crate::authority::Authority;
use crate::{Case, Finding, Judge, Level, Policy, RULES, Rule, Verdict, picture};
use totebox_common::units::{count, share_ppm, show_share};

pub use files::{HashedFile, hash, sdk};

const STYLE: &str = include_str!("style.css");

/// What a report is about.
pub struct Inputs<'a> {
    pub system: &'a System,
    /// What it ought to allow, if that is known.
    pub policy: Option<&'a Policy>,
    /// What the rules say of it, and of what was built of it if that was looked at.
    pub checked: &'a crate::Report,
    /// Waivers that accept nothing any more: rule and name.
    pub waivers_unused: Vec<(String, String)>,
    /// The files it was made from, and those it speaks of.
    pub files: Vec<HashedFile>,
    pub commands: Vec<String>,
}

/// A path as a report names it: as it was given, but for what leads to it from the root of this machine.
pub fn shown(path: &Path) -> String {
    let named = if path.is_absolute() { path.file_name().map_or(path, Path::new) } else { path };
    named.shown().to_string()
}

/// The report, as the text of an HTML file.
pub fn page(inputs: &Inputs) -> String {
    let authority = Authority::of(inputs.system);
    let case = Case { system: inputs.system, authority: &authority, policy: inputs.policy };
    let file = shown(&inputs.checked.file);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="viewport" content="width=device-width";
                title { "What " (file) " allows" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (heading(inputs, &case, &file))
                section id="picture" {
                    h2 { "1. The picture" }
                    p {
                        "Every domain, and everything one can do to another. On a screen, resting the pointer on a \
                         line or a box names the regions behind it."
                    }
                    figure { (PreEscaped(picture::svg(inputs.system, inputs.policy, inputs.checked))) }
                }
                (rules(inputs, &case))
                section id="domains" { h2 { "3. Domains" } (domains(inputs.system)) }
                section id="matrix" {
                    h2 { "4. Who can do what" }
                    h3 { "Domain to domain" } (matrix::acts(&case))
                    h3 { "Domain to memory" } (matrix::regions(&case))
                }
                section id="closures" {
                    h2 { "5. Who reaches whom in the end" }
                    (matrix::closures(&case, inputs.checked))
                }
                section id="assumptions" { h2 { "6. What is assumed" } (assumptions::section(&case, inputs.checked)) }
                (repeat(inputs))
                footer { "totebox " (env!("CARGO_PKG_VERSION")) ", profile " (inputs.checked.profile) }
            }
        }
    };
    // Its own lines; names have none, and what else is not printable in them is escaped.
    Lines(page.into_string()).to_string()
}

fn heading(inputs: &Inputs, case: &Case, file: &str) -> Markup {
    let of = |is: fn(&Verdict) -> bool| inputs.checked.verdicts.iter().filter(|(_, verdict)| is(verdict)).count();
    let holds = of(|verdict| *verdict == Verdict::Holds);
    let broken = of(|verdict| matches!(verdict, Verdict::Broken(_)));
    let open = of(|verdict| matches!(verdict, Verdict::NotJudged(_)));
    let of_level = |level| inputs.checked.findings.iter().filter(move |finding| finding.level == level);
    let waived = of_level(Level::Error).filter(|finding| finding.waived.is_some()).count();
    let sections = [
        ("picture", "The picture"),
        ("rules", "The rules"),
        ("domains", "Domains"),
        ("matrix", "Who can do what"),
        ("closures", "Who reaches whom"),
        ("assumptions", "Assumptions"),
        ("repeat", "Files, and how to repeat it"),
    ];
    html! {
        header {
            p.kind { "Isolation report" }
            h1 { "What " (file) " allows" }
            p {
                (count(case.system.all_protection_domains().len(), "domain")) ", "
                (count(case.system.regions.len(), "memory region")) ", "
                (count(case.system.channels.len(), "channel"))
                @match case.policy {
                    Some(policy) => {
                        ", on the board " (policy.board)
                        ". Judged against its deployment: who has to talk to whom, and which devices are whose."
                    }
                    None => {
                        ". Judged by the rules that make sense for every Microkit system: what this one is meant \
                         to allow is not known."
                    }
                }
            }
            p.verdict.bad[broken > 0].good[broken == 0] {
                @match broken {
                    0 => "No rule is broken. ",
                    1 => "1 rule is broken. ",
                    _ => { (broken) " rules are broken. " }
                }
                (holds) " of " (RULES.len()) " hold"
                @if open > 0 { ", " (open) (if open == 1 { " is" } else { " are" }) " not judged" }
                "; " (count(waived, "finding")) " waived, " (count(of_level(Level::Note).count(), "note")) "."
            }
            ul.summary {
                @for (rule, (_, of_rule)) in RULES.iter().zip(&inputs.checked.verdicts) {
                    li { a href={ "#" (rule.id) } { (rule.id) } span { (rule.title) } (verdict(of_rule)) }
                }
            }
            nav { ol { @for (id, title) in sections { li { a href={ "#" (id) } { (title) } } } } }
        }
    }
}

fn verdict(verdict: &Verdict) -> Markup {
    html! {
        @match verdict {
            Verdict::Holds => span.pill.good { "holds" },
            Verdict::Broken(findings) => span.pill.bad { "broken: " (count(*findings, "finding")) },
            Verdict::NotJudged(_) => span.pill.open { "not judged" },
        }
    }
}

fn rules(inputs: &Inputs, case: &Case) -> Markup {
    let waived: Vec<&Finding> = inputs.checked.findings.iter().filter(|f| f.waived.is_some()).collect();
    html! {
        section id="rules" {
            h2 { "2. The rules" }
            @for (rule, (_, of_rule)) in RULES.iter().zip(&inputs.checked.verdicts) {
                (one_rule(inputs, case, rule, of_rule))
            }
            h3 { "Waivers" }
            @if waived.is_empty() && inputs.waivers_unused.is_empty() { p { "None: no finding is accepted." } } @else {
                table {
                    tr { th { "Rule" } th { "Finding" } th { "Accepted because" } }
                    @for finding in &waived {
                        tr {
                            td { (finding.rule) }
                            td { (finding.message) }
                            td { @if let Some(why) = &finding.waived { (why) } }
                        }
                    }
                    @for (rule, name) in &inputs.waivers_unused {
                        tr {
                            td { (rule) }
                            td { "none that names '" (Shown(name)) "'" }
                            td { "This waiver accepts nothing any more; remove it." }
                        }
                    }
                }
            }
        }
    }
}

fn one_rule(inputs: &Inputs, case: &Case, rule: &Rule, of_rule: &Verdict) -> Markup {
    let findings: Vec<&Finding> = inputs.checked.findings.iter().filter(|f| f.rule == rule.id).collect();
    html! {
        article id=(rule.id) {
            h3 { (rule.id) ": " (rule.title) " " (verdict(of_rule)) }
            p.sentence { (rule.sentence) }
            @match (of_rule, &rule.judge) {
                (Verdict::NotJudged(why), _) => p.looked { "Not judged: " (why) "." },
                (_, Judge::Built(_)) => p.looked { "Looked at: what was built." },
                (_, Judge::Description(_, looked_at) | Judge::Flow(_, looked_at)) => p.looked { "Looked at: " (looked_at(case)) "." },
            }
            @if !findings.is_empty() {
                ul.findings {
                    @for finding in findings {
                        li.counts[finding.counts()] {
                            @if finding.level == Level::Note { "Note: " }
                            @if finding.waived.is_some() { "Waived: " }
                            (finding.message)
                            span.place { " (line " (finding.line) ", column " (finding.column) ")" }
                            br;
                            span.help {
                                @match &finding.waived { Some(reason) => (reason), None => (finding.help) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn domains(system: &System) -> Markup {
    html! {
        div.wide {
            table {
                tr {
                    th { "Domain" }
                    th { "Program" }
                    th { "Child of" }
                    th.number { "Priority" }
                    th.number { "CPU" }
                    th.number { "Core" }
                    th { "Devices, interrupts, special rights" }
                }
                @for (pd, parent) in system.all_protection_domains() {
                    @let scheduling = &pd.scheduling;
                    tr {
                        th scope="row" { (pd.name) }
                        td { (pd.program_image) }
                        td { @if let Some(parent) = parent { (parent.name) } }
                        td.number { (scheduling.priority) }
                        td.number {
                            @if pd.passive { "its callers'" } @else {
                                (show_share(share_ppm(scheduling.budget_us, scheduling.period_us)))
                                small { " " (scheduling.budget_us) " us in " (scheduling.period_us) }
                            }
                        }
                        td.number { (pd.cpu) }
                        td {
                            (picture::devices(system, &pd.name).join(", "))
                            @if pd.smc { " secure monitor calls" }
                            @for port in &pd.ioports { " I/O ports " (format!("{:#x}", port.addr)) }
                            @for cap in &pd.caps { " " (format!("{:?}", cap.kind)) " of " (cap.pd) }
                            @if let Some(machine) = &pd.virtual_machine { " runs the virtual machine " (machine.name) }
                        }
                    }
                }
            }
        }
    }
}

fn repeat(inputs: &Inputs) -> Markup {
    html! {
        section id="repeat" {
            h2 { "7. Files, and how to repeat it" }
            table.files {
                tr { th { "File" } th.number { "Bytes" } th { "SHA-256" } }
                @for file in &inputs.files {
                    tr { td { (file.name) } td.number { (file.size) } td.hash { (file.sha256) } }
                }
            }
            p { "The same files, read by the same version of totebox, give this file byte for byte:" }
            pre { @for command in &inputs.commands { (command) "\n" } }
        }
    }
}
