//! The layout of any system: a row for each priority, the highest at the top.

use std::collections::BTreeMap;

use super::svg::{Canvas, Line, Node, Point, Style};
use super::{Link, Scene};
use crate::authority::SubjectKind;

const WIDTH_MIN: i32 = 170;
const HEIGHT: i32 = 56;
const GAP_X: i32 = 110;
const GAP_Y: i32 = 120;
const MARGIN: i32 = 40;
/// More pixels between two boxes than this, one above the other, have room for another box.
const NEAR: i32 = 2 * GAP_Y;

/// Where a box is.
#[derive(Clone, Copy)]
pub struct Place {
    /// Its left edge.
    pub x: i32,
    /// Its upper edge.
    pub y: i32,
    /// Pixels.
    pub width: i32,
    /// Pixels.
    pub height: i32,
}

impl Place {
    pub fn middle(self) -> Point {
        (self.x + self.width / 2, self.y + self.height / 2)
    }
}

pub fn draw(scene: &Scene) -> Canvas {
    let all = 0..scene.authority.subjects.len();
    let texts =
        all.flat_map(|subject| [vec![scene.authority.name(subject).to_owned()], scene.devices(subject)].concat());
    let longest = texts.map(|text| text.chars().count()).max().unwrap_or(0) as i32;
    let width = WIDTH_MIN.max(8 * longest + 20);
    let mut rows: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for (index, subject) in scene.authority.subjects.iter().enumerate() {
        let pd = scene.system.protection_domain(&subject.name);
        let row = match (subject.kind, pd) {
            (SubjectKind::Domain, Some(pd)) => -i32::from(pd.scheduling.priority),
            (SubjectKind::Machine, _) => 1,
            _ => 2,
        };
        rows.entry(row).or_default().push(index);
    }
    let widest = rows.values().map(Vec::len).max().unwrap_or(0) as i32;
    let mut places = BTreeMap::new();
    let mut y = 60;
    for row in rows.values() {
        let indent = (widest - row.len() as i32) * (width + GAP_X) / 2;
        let mut height = HEIGHT;
        for (&subject, x) in row.iter().zip((MARGIN + indent..).step_by((width + GAP_X) as usize)) {
            let place = Place { x, y, width, height: HEIGHT + 15 * scene.devices(subject).len() as i32 };
            height = height.max(place.height);
            places.insert(subject, place);
        }
        y += height + GAP_Y;
    }
    let mut canvas = Canvas::default();
    for (&(from, to), link) in &scene.links {
        between(&mut canvas, scene, (from, to), link, (places[&from], places[&to]), NEAR);
    }
    for (&subject, &Place { x, y, width, height }) in &places {
        let title = scene.about(subject);
        let class = match scene.authority.subjects[subject].kind {
            SubjectKind::Domain => "driver",
            SubjectKind::Machine => "archive",
            SubjectKind::Device => "hardware",
        };
        canvas.node(Node {
            x,
            y,
            width,
            height,
            class,
            label: scene.authority.name(subject),
            lines: &scene.devices(subject),
            title: &title,
            broken: !scene.wrong(subject).is_empty(),
        });
    }
    canvas
}

/// Draws what one box can do to another, wherever the two are.
pub fn between(
    canvas: &mut Canvas,
    scene: &Scene,
    (from, to): (usize, usize),
    link: &Link,
    (a, b): (Place, Place),
    near: i32,
) {
    let mut lane = 0;
    let mut draw = |style: Style, signal: bool, title: String| {
        // Each kind of line, and each direction, leaves the box at a place of its own.
        let shift = 12 * lane + if from < to { 6 } else { -6 - 24 };
        lane += 1;
        let points = ends(a, b, shift, near);
        canvas.line(Line { signal, broken: &link.broken, ..Line::arrow(&points, style, &title) });
    };
    if !link.data.is_empty() {
        let what = if link.signal { "writes for and may notify" } else { "writes for" };
        draw(Style::Data, link.signal, scene.says(from, to, what, &link.data));
    } else if link.signal {
        draw(Style::Signal, true, scene.says(from, to, "may notify", &[]));
    }
    if link.call {
        draw(Style::Call, false, scene.says(from, to, "may call", &[]));
    }
    if !link.control.is_empty() {
        draw(Style::Parent, false, scene.says(from, to, "controls", &[]));
    }
}

/// The way of a line between two boxes, moved sideways by `shift`; around what may be in between, if they
/// stand one above the other and further apart than `near`.
fn ends(a: Place, b: Place, shift: i32, near: i32) -> Vec<Point> {
    let ((ax, ay), (bx, by)) = (a.middle(), b.middle());
    if ax == bx && (a.y - b.y).abs() - a.height.min(b.height) > near {
        let (right_a, right_b) = (a.x + a.width, b.x + b.width);
        let aside = right_a.max(right_b) + 24 + shift / 2;
        vec![
            (right_a, ay + shift / 4),
            (aside, ay + shift / 4),
            (aside, by + shift / 4),
            (right_b, by + shift / 4),
        ]
    } else if a.y + a.height <= b.y {
        vec![(ax + shift, a.y + a.height), (bx + shift, b.y)]
    } else if b.y + b.height <= a.y {
        vec![(ax + shift, a.y), (bx + shift, b.y + b.height)]
    } else if ax < bx {
        vec![(a.x + a.width, ay + shift / 2), (b.x, by + shift / 2)]
    } else {
        vec![(a.x, ay + shift / 2), (b.x + b.width, by + shift / 2)]
    }
}
