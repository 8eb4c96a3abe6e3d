//! The pen: boxes and lines in a few styles, a legend, and the findings below. All coordinates are whole
//! pixels, so that the same picture is the same text.

use std::fmt::Write;
use totebox_shown::Xml;

use super::Scene;

pub type Point = (i32, i32);

/// What a line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Memory one end writes and the other maps.
    Data,
    /// A notification that comes without data.
    Signal,
    Call,
    Parent,
    Device,
}

impl Style {
    fn class(self) -> &'static str {
        match self {
            Style::Data => "data",
            Style::Signal => "signal",
            Style::Call => "call",
            Style::Parent => "parent",
            Style::Device => "device",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// From one box, over corners, to another.
    pub points: &'a [Point],
    pub style: Style,
    /// An arrow at its start, and at its end.
    pub arrows: [bool; 2],
    pub signal: bool,
    /// Where it joins another line.
    pub joint: Option<Point>,
    /// What is shown under the pointer.
    pub title: &'a str,
    pub broken: &'a [String],
}

impl<'a> Line<'a> {
    /// A line with an arrow at its end and nothing else.
    pub fn arrow(points: &'a [Point], style: Style, title: &'a str) -> Line<'a> {
        Line { points, style, arrows: [false, true], signal: false, joint: None, title, broken: &[] }
    }
}

#[derive(Clone, Debug)]
pub struct Node<'a> {
    /// Its left edge.
    pub x: i32,
    /// Its upper edge.
    pub y: i32,
    /// Pixels.
    pub width: i32,
    /// Pixels.
    pub height: i32,
    /// Its colour: `archive`, `trusted`, `driver`, `hardware` or `stranger`.
    pub class: &'a str,
    pub label: &'a str,
    /// Below the label, small.
    pub lines: &'a [String],
    /// What is shown under the pointer.
    pub title: &'a str,
    pub broken: bool,
}

#[derive(Default)]
pub struct Canvas {
    /// Lines are below boxes.
    lines: String,
    boxes: String,
    width: i32,
    height: i32,
}

/// Height of a small line of text.
const SMALL: i32 = 15;

impl Canvas {
    /// Draws a line. Where it crosses those drawn before it, they are interrupted.
    pub fn line(&mut self, line: Line) {
        let mut path = String::new();
        for (index, (x, y)) in line.points.iter().enumerate() {
            write!(path, "{}{x} {y}", if index == 0 { "M" } else { "L" }).expect("writing to a string");
        }
        line.points.iter().for_each(|&point| self.grow(point));
        let class = if line.broken.is_empty() { line.style.class() } else { "broken" };
        let style = if line.broken.is_empty() { "" } else { line.style.class() };
        let mut marks = String::new();
        for (is, name) in line.arrows.into_iter().zip(["start", "end"]) {
            if is {
                marks += &format!(r#" marker-{name}="url(#{class})""#);
            }
        }
        let title = Xml([&[line.title.to_owned()], line.broken].concat().join("\n"));
        let out = &mut self.lines;
        writeln!(out, r#"<g><title>{title}</title><path class="halo" d="{path}"/>"#).expect("writing to a string");
        write!(out, r#"<path class="{class} {style}" d="{path}"{marks}/>"#).expect("writing to a string");
        if line.signal {
            let (x, y) = before_end(line.points);
            write!(out, r#"<circle class="dot {class}" cx="{x}" cy="{y}" r="3"/>"#).expect("writing to a string");
        }
        if let Some((x, y)) = line.joint {
            write!(out, r#"<circle class="joint {class}" cx="{x}" cy="{y}" r="2"/>"#)
                .expect("writing to a string");
        }
        out.push_str("</g>\n");
    }

    pub fn node(&mut self, node: Node) {
        let Node { x, y, width, height, class, label, lines, .. } = node;
        self.grow((x + width, y + height));
        let broken = if node.broken { " broken" } else { "" };
        let title = Xml(node.title);
        let out = &mut self.boxes;
        let rx = if class == "hardware" { 2 } else { 7 };
        write!(out, r#"<g><title>{title}</title><rect class="box {class}{broken}" "#)
            .expect("writing to a string");
        writeln!(out, r#"x="{x}" y="{y}" width="{width}" height="{height}" rx="{rx}"/>"#)
            .expect("writing to a string");
        // The text stands in the middle, but in a tall box at the top, and again further down.
        let text = SMALL * lines.len() as i32 + if label.is_empty() { -2 } else { 18 };
        const REPEAT: i32 = 460;
        let tops: Vec<i32> = match height {
            0..160 => vec![y + (height - text) / 2],
            _ => (0..=(height - text - 40) / REPEAT).map(|part| y + 14 + part * REPEAT).collect(),
        };
        for top in tops {
            let middle = x + width / 2;
            if !label.is_empty() {
                let label = Xml(label);
                writeln!(out, r#"<text x="{middle}" y="{}">{label}</text>"#, top + 14)
                    .expect("writing to a string");
            }
            let first = top + if label.is_empty() { 10 } else { 30 };
            for (line, y) in lines.iter().zip((first..).step_by(SMALL as usize)) {
                let line = Xml(line);
                writeln!(out, r#"<text class="small" x="{middle}" y="{y}">{line}</text>"#)
                    .expect("writing to a string");
            }
        }
        out.push_str("</g>\n");
    }

    fn grow(&mut self, (x, y): Point) {
        self.width = self.width.max(x);
        self.height = self.height.max(y);
    }

    /// The picture with its legend and the findings.
    pub fn finish(mut self, scene: &Scene) -> String {
        const FINDINGS_MAX: usize = 12;
        let mut below = String::new();
        let mut y = self.height + 40;
        legend(&mut below, &mut y, self.width);
        let findings = &scene.findings;
        y += if findings.is_empty() { 0 } else { 12 };
        for finding in findings.iter().take(FINDINGS_MAX) {
            y += 18;
            let text = Xml(format!("{}: {}", finding.rule, finding.message)).to_string();
            writeln!(below, r#"<text class="left wrong" x="24" y="{y}">{text}</text>"#)
                .expect("writing to a string");
            self.width = self.width.max(40 + 7 * text.len() as i32);
        }
        if let Some(more @ 1..) = findings.len().checked_sub(FINDINGS_MAX) {
            y += 18;
            writeln!(below, r#"<text class="left wrong" x="24" y="{y}">and {more} more</text>"#)
                .expect("writing to a string");
        }
        let (width, height) = (self.width + 24, y + 24);
        let (title, heading) = (Xml(&scene.title), Xml(&scene.title));
        let (lines, boxes) = (self.lines, self.boxes);
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="DejaVu Sans, Verdana, Helvetica, Arial, sans-serif" font-size="14">
<title>{title}</title>
{HEAD}<rect width="{width}" height="{height}" fill="#fff"/>
<text class="left heading" x="24" y="30">{heading}</text>
{lines}{boxes}{below}</svg>
"##
        )
    }
}

/// Where a line's dot is: on its last piece, shortly before its arrow.
fn before_end(points: &[Point]) -> Point {
    const DISTANCE: f64 = 13.0;
    let [.., (x1, y1), (x2, y2)] = *points else { return points[0] };
    let [dx, dy] = [x2 - x1, y2 - y1].map(f64::from);
    let part = DISTANCE / dx.hypot(dy).max(2.0 * DISTANCE);
    (x2 - (dx * part).round() as i32, y2 - (dy * part).round() as i32)
}

fn legend(out: &mut String, y: &mut i32, width: i32) {
    let entries = [
        ("data", "writes memory the other maps", false, true),
        ("data", "and may notify it", true, true),
        ("signal", "may notify it, without data", true, true),
        ("call", "may call it, and gets an answer", false, true),
        ("parent", "parent: gets its faults, controls it", false, true),
        ("device", "registers, interrupts, DMA", false, false),
        ("broken", "breaks a rule of isolation", false, true),
    ];
    const COLUMN: i32 = 300;
    let columns = ((width - 24) / COLUMN).clamp(1, 4) as usize;
    for (index, (class, text, dot, arrow)) in entries.into_iter().enumerate() {
        let x = 24 + (index % columns) as i32 * COLUMN;
        let y = *y + (index / columns) as i32 * 22;
        let arrow = if arrow { format!(r#" marker-end="url(#{class})""#) } else { String::new() };
        let end = x + 40;
        writeln!(out, r#"<path class="{class}" d="M{x} {y}H{end}"{arrow}/>"#).expect("writing to a string");
        if dot {
            writeln!(out, r#"<circle class="dot {class}" cx="{}" cy="{y}" r="3"/>"#, end - 13)
                .expect("writing to a string");
        }
        let (x, y) = (x + 50, y + 4);
        writeln!(out, r#"<text class="small left" x="{x}" y="{y}">{text}</text>"#).expect("writing to a string");
    }
    *y += (entries.len().div_ceil(columns) as i32 - 1) * 22;
}

const HEAD: &str = r##"<style>
.box { stroke: #444; stroke-width: 1.2 }
.archive { fill: #e3f1e3 } .trusted { fill: #fdf1cf } .driver { fill: #eae7f5 } .hardware { fill: #eef0f2; stroke: #999 } .stranger { fill: #fbe3e0 }
path { fill: none; stroke-width: 1.6 }
.halo { stroke: #fff; stroke-width: 5 }
.data { stroke: #1c5d94 } .signal { stroke: #1c5d94; stroke-dasharray: 2 3 } .call { stroke: #a04a00; stroke-width: 2.6 }
.parent { stroke: #777; stroke-dasharray: 6 4 } .device { stroke: #999; stroke-width: 3 }
.broken { stroke: #d1101c; stroke-width: 2.6 }
.joint { stroke-width: 4; stroke-dasharray: none; fill: none } .dot { fill: #fff; stroke-width: 1.6; stroke-dasharray: none }
text { text-anchor: middle; fill: #111 } .small { font-size: 11.5px; fill: #444 } .left { text-anchor: start }
.heading { font-size: 16px; font-weight: bold } .wrong { fill: #d1101c; font-size: 12.5px }
</style>
<defs>
<marker id="data" viewBox="0 0 10 10" refX="9" refY="5" markerUnits="userSpaceOnUse" markerWidth="9" markerHeight="9" orient="auto-start-reverse"><path d="M0 1L10 5L0 9z" style="fill:#1c5d94"/></marker>
<marker id="signal" viewBox="0 0 10 10" refX="9" refY="5" markerUnits="userSpaceOnUse" markerWidth="9" markerHeight="9" orient="auto-start-reverse"><path d="M0 1L10 5L0 9z" style="fill:#1c5d94"/></marker>
<marker id="call" viewBox="0 0 10 10" refX="9" refY="5" markerUnits="userSpaceOnUse" markerWidth="12" markerHeight="12" orient="auto-start-reverse"><path d="M0 1L10 5L0 9z" style="fill:#a04a00"/></marker>
<marker id="parent" viewBox="0 0 10 10" refX="9" refY="5" markerUnits="userSpaceOnUse" markerWidth="9" markerHeight="9" orient="auto-start-reverse"><path d="M0 1L10 5L0 9z" style="fill:#777"/></marker>
<marker id="broken" viewBox="0 0 10 10" refX="9" refY="5" markerUnits="userSpaceOnUse" markerWidth="11" markerHeight="11" orient="auto-start-reverse"><path d="M0 1L10 5L0 9z" style="fill:#d1101c"/></marker>
</defs>
"##;
