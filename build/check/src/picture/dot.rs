//! The picture as a graph for Graphviz, which lays it out by itself.

use std::fmt::Write;

use totebox_sdf::System;
use totebox_shown::{Dot, Shown};

use super::Scene;
use crate::{Policy, Report};

/// The picture of a description in the DOT language.
pub fn dot(system: &System, policy: Option<&Policy>, report: &Report) -> String {
    let scene = Scene::new(system, policy, report);
    let mut out = String::new();
    write(&scene, &mut out).expect("writing to a string");
    out
}

fn write(scene: &Scene, out: &mut String) -> std::fmt::Result {
    writeln!(out, "// {}", Shown(&scene.title))?;
    writeln!(out, "digraph system {{\n    rankdir = LR;\n    node [shape = box, style = rounded];")?;
    let name = |subject: usize| Dot(scene.authority.name(subject));
    for subject in 0..scene.authority.subjects.len() {
        let label = [vec![scene.authority.name(subject).to_owned()], scene.devices(subject)].concat().join("\n");
        let colour = if scene.wrong(subject).is_empty() { "" } else { ", color = red" };
        writeln!(out, "    {} [label = {}{colour}];", name(subject), Dot(&label))?;
    }
    for (&(from, to), link) in &scene.links {
        let mut edge = |label: String, style: &str| {
            let colour = if link.broken.is_empty() { "" } else { ", color = red, fontcolor = red" };
            writeln!(out, "    {} -> {} [label = {}, style = {style}{colour}];", name(from), name(to), Dot(&label))
        };
        if !link.data.is_empty() {
            let signal = if link.signal { "\n(and notifies)" } else { "" };
            edge(link.data.join("\n") + signal, "solid")?;
        } else if link.signal {
            edge("notifies".into(), "dotted")?;
        }
        if link.call {
            edge("calls".into(), "bold")?;
        }
        for control in &link.control {
            edge(format!("controls ({})", format!("{control:?}").to_lowercase()), "dashed")?;
        }
    }
    writeln!(out, "}}")
}
