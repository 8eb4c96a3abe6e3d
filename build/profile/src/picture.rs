//! The layout of the appliance: the archives are rows between the console and the vault, which are columns
//! as high as all of them; the orchestrator and the clock stand above, the auditor below. Who talks to every
//! archive does so by a trunk with a branch to each, so that forty archives are as easy to follow as three.

use std::collections::BTreeMap;

use totebox_check::picture::{Canvas, Line, Link, Node, Place, Point, Scene, Style, between};
use totebox_manifest::{ROLES, Role};

/// Columns.
const HARDWARE_LEFT: (i32, i32) = (24, 118);
const CONSOLE: (i32, i32) = (158, 122);
const ORCHESTRATOR_X: i32 = 316;
const ARCHIVES: (i32, i32) = (460, 220);
const CLOCK: (i32, i32) = (716, 120);
const VAULT: (i32, i32) = (876, 122);
const HARDWARE_RIGHT: (i32, i32) = (1038, 130);

/// Trunks: orchestrator and auditor (two), orchestrator and archives, parent, auditor, clock.
const TRUNK_AUDITS: [i32; 2] = [330, 346];
const TRUNK_ORCHESTRATOR: i32 = 380;
const TRUNK_PARENT: i32 = 420;
const TRUNK_HEALTH: i32 = 726;
const TRUNK_TIME: i32 = 766;

/// Rows.
const HARDWARE_Y: i32 = 56;
const TOP: i32 = 116;
const SERVICE_HEIGHT: i32 = 56;
const ORCHESTRATOR_HEIGHT: i32 = 132;
const ARCHIVES_Y: i32 = 290;
/// Up to so many archives have roomy rows.
const ROOMY: usize = 8;

/// More pixels between two boxes than this have room for an archive.
const NEAR: i32 = 40;

struct Appliance<'a> {
    scene: &'a Scene<'a>,
    canvas: Canvas,
    places: BTreeMap<usize, Place>,
    /// Pixels between the branches of a row.
    lane: i32,
}

pub fn draw(scene: &Scene) -> Canvas {
    let archives: Vec<usize> =
        (0..scene.authority.subjects.len()).filter(|&s| role(scene, s) == Some(Role::Archive)).collect();
    let (pitch, height, lane) = if archives.len() <= ROOMY { (92, 72, 12) } else { (54, 44, 7) };
    let rows_end = ARCHIVES_Y + pitch * archives.len() as i32;
    let bottom = rows_end + 20 + SERVICE_HEIGHT + 14;
    let mut places = BTreeMap::new();
    for (&archive, y) in archives.iter().zip((ARCHIVES_Y..).step_by(pitch as usize)) {
        places.insert(archive, Place { x: ARCHIVES.0, y, width: ARCHIVES.1, height });
    }
    let mut strangers = 24;
    for subject in 0..scene.authority.subjects.len() {
        let column = |(x, width): (i32, i32), y: i32, end: i32| Place { x, y, width, height: end - y };
        let place = match role(scene, subject) {
            Some(Role::Archive) => continue,
            Some(Role::Orchestrator) => {
                let width = ARCHIVES.0 + ARCHIVES.1 - ORCHESTRATOR_X;
                Place { x: ORCHESTRATOR_X, y: TOP, width, height: ORCHESTRATOR_HEIGHT }
            }
            Some(Role::Clock) => column(CLOCK, TOP, TOP + SERVICE_HEIGHT),
            Some(Role::Console) => column(CONSOLE, TOP, bottom),
            Some(Role::Vault) => column(VAULT, TOP, bottom),
            Some(Role::Auditor) => {
                let width = CLOCK.0 + CLOCK.1 - ORCHESTRATOR_X;
                Place { x: ORCHESTRATOR_X, y: rows_end + 20, width, height: SERVICE_HEIGHT }
            }
            // A role without a place of its own here stands below, as a domain does that is in no manifest.
            _ => {
                strangers += 190;
                Place { x: strangers - 190, y: bottom + 60, width: 160, height: SERVICE_HEIGHT }
            }
        };
        places.insert(subject, place);
    }
    let mut appliance = Appliance { scene, canvas: Canvas::default(), places, lane };
    appliance.trunks(&archives);
    let links: Vec<((usize, usize), &Link)> = scene.links.iter().map(|(&ends, link)| (ends, link)).collect();
    // Upright lines first: those across then interrupt them.
    for upright in [true, false] {
        for &((from, to), link) in &links {
            appliance.link(from, to, link, upright);
        }
    }
    appliance.boxes();
    appliance.canvas
}

fn role(scene: &Scene, subject: usize) -> Option<Role> {
    let name = scene.role(subject)?;
    ROLES.iter().map(|info| info.role).find(|role| role.name() == name)
}

impl Appliance<'_> {
    fn service(&self, wanted: Role) -> Option<(usize, Place)> {
        let (&subject, &place) =
            self.places.iter().find(|(subject, _)| role(self.scene, **subject) == Some(wanted))?;
        Some((subject, place))
    }

    fn has(&self, from: Option<usize>, to: Option<usize>, is: impl Fn(&Link) -> bool) -> bool {
        let ends = from.zip(to);
        ends.and_then(|ends| self.scene.links.get(&ends)).is_some_and(is)
    }

    /// The trunks, from their service to the last archive that has a branch.
    fn trunks(&mut self, archives: &[usize]) {
        let of = |role| self.service(role).map(|(subject, _)| subject);
        let (orchestrator, clock, auditor) = (of(Role::Orchestrator), of(Role::Clock), of(Role::Auditor));
        let data = |link: &Link| !link.data.is_empty() || link.signal;
        let joins = |service: Option<usize>, archive: usize| {
            self.has(service, Some(archive), data) || self.has(Some(archive), service, data)
        };
        let controls = |archive: usize| self.has(orchestrator, Some(archive), |link| !link.control.is_empty());
        let last = |is: &dyn Fn(usize) -> bool| archives.iter().rev().copied().find(|&archive| is(archive));
        let first = |is: &dyn Fn(usize) -> bool| archives.iter().copied().find(|&archive| is(archive));
        let y = |archive: usize, lane: i32| self.places[&archive].middle().1 + lane * self.lane;
        let below = TOP + ORCHESTRATOR_HEIGHT;
        let mut trunks: Vec<([Point; 2], Style, bool, &str)> = Vec::new();
        if let Some(archive) = last(&|archive| joins(orchestrator, archive)) {
            let points = [(TRUNK_ORCHESTRATOR, below), (TRUNK_ORCHESTRATOR, y(archive, 2))];
            trunks.push((
                points,
                Style::Data,
                true,
                "orchestrator and every archive: its orders, their health and traces",
            ));
        }
        if let Some(archive) = last(&controls) {
            let points = [(TRUNK_PARENT, below), (TRUNK_PARENT, y(archive, 0))];
            trunks.push((points, Style::Parent, false, "orchestrator: the parent of the archives"));
        }
        if let Some(archive) = last(&|archive| joins(clock, archive)) {
            let points = [(TRUNK_TIME, TOP + SERVICE_HEIGHT), (TRUNK_TIME, y(archive, 1))];
            trunks.push((points, Style::Data, false, "clock: the time, for every archive"));
        }
        let auditor_place = self.service(Role::Auditor).map(|(_, place)| place);
        if let (Some(archive), Some(place)) = (first(&|archive| joins(auditor, archive)), auditor_place) {
            let points = [(TRUNK_HEALTH, place.y), (TRUNK_HEALTH, y(archive, 2))];
            trunks.push((points, Style::Data, true, "auditor: reads the health of every archive"));
        }
        for (points, style, arrow, title) in trunks {
            self.canvas.line(Line { arrows: [arrow, false], ..Line::arrow(&points, style, title) });
        }
    }

    /// Draws a link if it is of the kind that is drawn now.
    fn link(&mut self, from: usize, to: usize, link: &Link, upright: bool) {
        use Role::*;
        let roles = (role(self.scene, from), role(self.scene, to));
        let (Some(role_from), Some(role_to)) = roles else {
            if !upright {
                let places = (self.places[&from], self.places[&to]);
                between(&mut self.canvas, self.scene, (from, to), link, places, NEAR);
            }
            return;
        };
        let middle = |subject: usize, lane: i32| self.places[&subject].middle().1 + lane * self.lane;
        let (a, b) = (self.places[&from], self.places[&to]);
        let across =
            |y: i32| if a.x < b.x { [(a.x + a.width, y), (b.x, y)] } else { [(a.x, y), (b.x + b.width, y)] };
        let (archive_left, archive_right) = (ARCHIVES.0, ARCHIVES.0 + ARCHIVES.1);
        let is_upright =
            matches!((role_from, role_to), (Orchestrator, Auditor) | (Auditor, Orchestrator) | (Clock, Auditor));
        if is_upright != upright {
            return;
        }
        let mut rest = link.clone();
        let points: Option<[Point; 2]> = match (role_from, role_to) {
            (Console, Archive) => Some(across(middle(to, -2))),
            (Archive, Console) => Some(across(middle(from, -1))),
            (Archive, Vault) => Some(across(middle(from, -2))),
            (Vault, Archive) => Some(across(middle(to, -1))),
            (Orchestrator, Archive) => Some([(TRUNK_ORCHESTRATOR, middle(to, 1)), (archive_left, middle(to, 1))]),
            (Archive, Orchestrator) => {
                Some([(archive_left, middle(from, 2)), (TRUNK_ORCHESTRATOR, middle(from, 2))])
            }
            (Clock, Archive) => Some([(TRUNK_TIME, middle(to, 1)), (archive_right, middle(to, 1))]),
            (Archive, Auditor) => Some([(archive_right, middle(from, 2)), (TRUNK_HEALTH, middle(from, 2))]),
            (Orchestrator, Console) => Some(across(TOP + 48)),
            (Console, Orchestrator) => Some(across(TOP + 64)),
            (Clock, Orchestrator) => Some(across(TOP + 28)),
            (Orchestrator, Vault) => Some(across(TOP + 88)),
            (Vault, Orchestrator) => Some(across(TOP + 104)),
            (Auditor, Vault) => Some(across(middle(from, 0) - 8)),
            (Vault, Auditor) => Some(across(middle(to, 0) + 8)),
            (Orchestrator, Auditor) => Some([(TRUNK_AUDITS[0], a.y + a.height), (TRUNK_AUDITS[0], b.y)]),
            (Auditor, Orchestrator) => Some([(TRUNK_AUDITS[1], a.y), (TRUNK_AUDITS[1], b.y + b.height)]),
            (Clock, Auditor) => Some([(TRUNK_TIME + 24, a.y + a.height), (TRUNK_TIME + 24, b.y)]),
            _ => None,
        };
        let broken = &link.broken[..];
        let joint = points.and_then(|points| {
            let trunks = [TRUNK_ORCHESTRATOR, TRUNK_TIME, TRUNK_HEALTH];
            let branches = [role_from, role_to].contains(&Archive);
            points.into_iter().find(|(x, _)| branches && trunks.contains(x))
        });
        if let Some(points) = points {
            if !link.data.is_empty() || link.signal {
                let (style, what) = match (link.data.is_empty(), link.signal) {
                    (true, _) => (Style::Signal, "may notify"),
                    (_, true) => (Style::Data, "writes for and may notify"),
                    _ => (Style::Data, "writes for"),
                };
                let title = self.scene.says(from, to, what, &link.data);
                let line = Line::arrow(&points, style, &title);
                self.canvas.line(Line { signal: link.signal, joint, broken, ..line });
            }
            if link.call && (role_from, role_to) == (Console, Orchestrator) {
                let title = self.scene.says(from, to, "may call", &[]);
                let points = across(TOP + 20);
                self.canvas.line(Line { broken, ..Line::arrow(&points, Style::Call, &title) });
                rest.call = false;
            }
            if !link.control.is_empty() && (role_from, role_to) == (Orchestrator, Archive) {
                let title = self.scene.says(from, to, "is the parent of", &[]);
                let points = [(TRUNK_PARENT, middle(to, 0)), (archive_left, middle(to, 0))];
                let joint = Some(points[0]);
                self.canvas.line(Line { joint, broken, ..Line::arrow(&points, Style::Parent, &title) });
                rest.control.clear();
            }
            (rest.data, rest.signal) = (vec![], false);
        }
        // Whatever has no place in the design.
        between(&mut self.canvas, self.scene, (from, to), &rest, (a, b), NEAR);
    }

    fn boxes(&mut self) {
        for (&subject, &place) in &self.places.clone() {
            let scene = self.scene;
            let name = scene.authority.name(subject);
            let role = role(scene, subject);
            let class = match role {
                Some(Role::Archive) => "archive",
                Some(Role::Orchestrator | Role::Auditor | Role::Vault) => "trusted",
                Some(_) => "driver",
                None => "stranger",
            };
            let lines = role.map_or(&["not in the manifests"][..], |role| role.info().in_short);
            let mut lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
            let devices = scene.devices(subject);
            match self.hardware(subject, place, devices.len()) {
                Some((hardware, points)) => {
                    let Place { x, y, width, height } = hardware;
                    let title = &format!("the devices of {name}");
                    let line = Line::arrow(&points, Style::Device, title);
                    self.canvas.line(Line { arrows: [false; 2], ..line });
                    let (class, label, lines) = ("hardware", "", &devices[..]);
                    self.canvas.node(Node { x, y, width, height, class, label, lines, title, broken: false });
                }
                None => lines.extend(devices),
            }
            let Place { x, y, width, height } = place;
            let label = name.strip_prefix("archive-").filter(|_| class == "archive").unwrap_or(name);
            let broken = !scene.wrong(subject).is_empty();
            let title = scene.about(subject);
            self.canvas.node(Node { x, y, width, height, class, label, lines: &lines, title: &title, broken });
        }
    }

    /// Where the box of a driver's devices is, if it has one of its own, and the line to it.
    fn hardware(&self, driver: usize, place: Place, devices: usize) -> Option<(Place, [Point; 2])> {
        let height = 14 + 15 * devices as i32;
        let beside = |(x, width): (i32, i32)| Place { x, y: TOP, width, height };
        let middle = TOP + height / 2;
        match role(self.scene, driver)? {
            _ if devices == 0 => None,
            Role::Console => {
                let (x, width) = HARDWARE_LEFT;
                Some((beside((x, width)), [(x + width, middle), (place.x, middle)]))
            }
            Role::Vault => {
                Some((beside(HARDWARE_RIGHT), [(place.x + place.width, middle), (HARDWARE_RIGHT.0, middle)]))
            }
            Role::Clock => {
                let (x, _) = place.middle();
                let above = Place { x: place.x, y: HARDWARE_Y, width: place.width, height };
                Some((above, [(x, HARDWARE_Y + height), (x, place.y)]))
            }
            _ => None,
        }
    }
}
