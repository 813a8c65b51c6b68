//! Actions of guests, and their visible effects.

use crate::browser::offer::Make;
use crate::browser::publish::PICTURE_INTERVAL;
use crate::browser::{Browser, Guest, Phase};
use crate::check::{Seen, SourceName};
use crate::net::nat::{Kind, Nat};
use crate::net::{Access, Link};
use crate::post::Party;
use crate::{World, check};
use media_core::random::Random;
use shared::rtp_parameters::MediaKind;
use shared::signal::TrackSource;
use shared::{Mid, ParticipantId};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// One-way delay of access links.
const ACCESS_DELAY: Duration = Duration::from_millis(10);

/// Time for a newcomer's key frames.
const SETTLING: Duration = Duration::from_millis(700);

/// A guest with microphone and camera in Chromium, with eight receive slots of each kind.
#[must_use]
pub fn guest(name: &str) -> Guest {
    Guest {
        participant: ParticipantId::parse(name).expect("a participant's name"),
        make: Make::Chromium,
        sources: vec![TrackSource::Microphone, TrackSource::Camera],
        slots: shared::limits::SLOTS_PER_KIND_DEFAULT,
        takes_more_slots: true,
        sends_layers: false,
        reports_arrivals: false,
        lacks_transport_cc: false,
        picture_interval: PICTURE_INTERVAL,
        adapts: false,
        is_patient: false,
    }
}

impl World {
    /// Joins with microphone and camera.
    pub fn join(&mut self, name: &str) {
        self.join_as(guest(name));
    }

    /// Joins from behind a firewall that passes only TURN.
    pub fn join_behind_firewall(&mut self, name: &str) {
        self.join(name);
        self.access(name).only_port = Some(crate::relay::TURN_PORT);
    }

    /// Joins from behind a NAT; returns the NAT's outside address.
    pub fn join_behind_nat(&mut self, guest: Guest, kind: Kind) -> IpAddr {
        let name = guest.participant.to_string();
        self.join_as(guest);
        let outside = IpAddr::from(self.next_host(102));
        self.net.put_behind(self.browser(&name).address(), Nat::new(kind, outside));
        outside
    }

    /// Makes the participant's NAT forget every mapping.
    ///
    /// # Panics
    /// If there is no NAT.
    pub fn rebind(&mut self, name: &str) {
        let address = self.browser(name).address();
        self.net.nat(address).unwrap_or_else(|| panic!("{name} is behind no NAT")).rebind();
    }

    /// Moves the participant's host to another network: another address and link, and the browser restarts ICE. Nothing
    /// passes the previous link any more.
    pub fn change_network(&mut self, name: &str, access: Access) {
        let before = self.access(name);
        (before.up.is_cut, before.down.is_cut) = (true, true);
        let address = IpAddr::from(self.next_host(0));
        *self.net.access(address) = access;
        self.act(name, |browser, clock| browser.change_network(clock, address));
    }

    pub fn join_as(&mut self, guest: Guest) {
        let address = IpAddr::from(self.next_host(0));
        let link = Link { delay: ACCESS_DELAY, ..Link::default() };
        *self.net.access(address) = Access { up: link, down: link, only_port: None };
        self.open(guest, address);
    }

    fn open(&mut self, guest: Guest, address: IpAddr) {
        let name = guest.participant.to_string();
        self.rooms.entry(name.clone()).or_insert_with(|| self.room.clone());
        let random = Random::seeded(self.random.next_u64());
        let browser = Browser::new(&self.clock, random, guest, address, self.breaches.clone());
        self.browsers.insert(name.clone(), browser);
        self.with_browser(&name, |_| {});
    }

    /// Several join one after the other; returns when everybody is connected.
    pub fn gather(&mut self, names: &[&str]) {
        for name in names {
            self.join(name);
            self.run_for(Duration::from_millis(50));
        }
        let names: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
        self.run_until(Duration::from_secs(5), "everybody is connected", |world| {
            names.iter().all(|name| world.browser(name).is_connected())
        });
        self.run_for(SETTLING);
    }

    /// Reloads the page: the old one only closes its socket, the new one joins as the same participant.
    pub fn reload(&mut self, name: &str) {
        let (guest, address) = (self.browser(name).guest().clone(), self.browser(name).address());
        self.hang_up(&Party::Browser(name.into()), true);
        self.open(guest, address);
    }

    /// Leaves with a message.
    pub fn leave(&mut self, name: &str) {
        let clock = self.clock;
        self.with_browser(name, |browser| browser.leave(&clock));
    }

    /// Switches a machine off: it sends nothing more, not even close frames.
    pub fn vanish(&mut self, name: &str) {
        let Some(browser) = self.browsers.remove(name) else { return };
        let access = self.net.access(browser.address());
        (access.up.is_cut, access.down.is_cut) = (true, true);
        self.hang_up(&Party::Browser(name.into()), false);
    }

    /// Breaks a signaling socket; media continues.
    pub fn drop_socket(&mut self, name: &str) {
        let party = Party::Browser(name.into());
        for socket in self.post.sockets_of(|at| *at == party) {
            self.break_socket(socket);
        }
    }

    pub fn set_muted(&mut self, name: &str, kind: MediaKind, muted: bool) {
        let clock = self.clock;
        let mids: Vec<Mid> =
            self.browser(name).sources().filter(|(_, p)| p.kind() == kind).map(|(_, p)| p.mid.clone()).collect();
        for mid in mids {
            self.with_browser(name, |browser| browser.set_muted(&clock, &mid, muted));
        }
    }

    /// Sets how loud a participant is from here on, in −dBov (RFC 6464).
    pub fn set_level(&mut self, name: &str, level: u8) {
        self.with_browser(name, |browser| browser.set_level(level));
    }

    /// Makes a participant's screen move, with this many packets per frame, or stand still.
    pub fn set_motion(&mut self, name: &str, parts: Option<u8>) {
        self.act(name, |browser, clock| browser.set_motion(clock, parts));
    }

    pub fn act(&mut self, name: &str, act: impl FnOnce(&mut Browser, &crate::clock::Clock)) {
        let clock = self.clock;
        self.with_browser(name, |browser| act(browser, &clock));
    }

    ///
    /// # Panics
    /// If nobody has this name.
    #[must_use]
    pub fn browser(&self, name: &str) -> &Browser {
        self.browsers.get(name).unwrap_or_else(|| panic!("nobody is called {name}"))
    }

    pub fn access(&mut self, name: &str) -> &mut Access {
        let address = self.browser(name).address();
        self.net.access(address)
    }

    /// True if a browser with this name is open, in the room or joining.
    #[must_use]
    pub fn is_known(&self, name: &str) -> bool {
        self.browsers.get(name).is_some_and(|browser| !matches!(browser.phase(), Phase::Gone(_)))
    }

    /// All participants in the room, by name.
    #[must_use]
    pub fn present(&self) -> Vec<String> {
        let is_inside = |(name, browser): &(&String, &Browser)| {
            browser.phase() == Phase::Inside && self.rooms.get(*name) == Some(&self.room)
        };
        self.browsers.iter().filter(is_inside).map(|(name, _)| name.clone()).collect()
    }

    /// Resets the statistics of everybody's decoded media.
    pub fn mark(&mut self) {
        self.browsers.values_mut().for_each(Browser::mark);
    }

    /// Statistics of one participant's track of a kind at another.
    #[must_use]
    pub fn seen(&self, by: &str, of: &str, kind: MediaKind) -> Option<Seen> {
        let source = self.source(of, kind)?;
        self.browser(by).watch().of(source)
    }

    fn source(&self, of: &str, kind: MediaKind) -> Option<SourceName> {
        self.browser(of).sources().find(|(_, publisher)| publisher.kind() == kind).map(|(source, _)| source)
    }

    /// Checks over the next second that everybody in the room decodes everything that the others send.
    ///
    /// # Panics
    /// If one does not.
    pub fn check_everybody_plays(&mut self) {
        self.mark();
        self.run_for(Duration::from_secs(1));
        for by in self.present() {
            for of in self.present() {
                if by != of {
                    self.check_plays(&by, &of);
                }
            }
        }
        self.check_settled();
        self.check_all();
    }

    fn check_plays(&self, by: &str, of: &str) {
        for (source, publisher) in self.browser(of).sources() {
            let frames = self.browser(by).watch().of(source).map_or(0, |seen| seen.frames);
            let (least, most) = match publisher.kind() {
                _ if publisher.is_muted => (0, 0),
                MediaKind::Audio => (45, 55),
                MediaKind::Video => (18, 23),
            };
            if !(least..=most).contains(&frames) {
                let kind = publisher.kind();
                self.fail(&format!("{by} decoded {frames} of {of}'s {kind:?} in a second, not {least} to {most}"));
            }
        }
    }

    /// Checks that everybody's knowledge of the room agrees, and fits the slots.
    ///
    /// # Panics
    /// If it does not.
    pub fn check_settled(&self) {
        let present = self.present();
        for name in &present {
            let browser = self.browser(name);
            if !browser.has_path() {
                self.fail(&format!("{name}'s checks have found no path"));
            }
            let kinds: BTreeMap<Mid, MediaKind> =
                browser.slots().map(|slot| (slot.section().mid.clone(), slot.section().kind)).collect();
            if let Some(breach) = browser.knowledge().settled_breach(&kinds) {
                self.fail(&format!("{name}: {breach}"));
            }
            let known: Vec<String> = browser.knowledge().roster.keys().map(ToString::to_string).collect();
            if known != present {
                self.fail(&format!("{name} believes that {known:?} are here, not {present:?}"));
            }
            let roster = &browser.knowledge().roster;
            if *roster != self.browser(&present[0]).knowledge().roster {
                self.fail(&format!("{name} and {} know different rosters", present[0]));
            }
        }
    }

    /// Checks that no sent packet is missing, which must hold on a lossless network.
    ///
    /// # Panics
    /// If one is.
    pub fn check_nothing_lacks(&self) {
        for (name, browser) in &self.browsers {
            let lacking: u64 = browser.slots().map(crate::browser::slot::Slot::lacking).sum();
            let jumps: u64 = browser.slots().map(crate::browser::slot::Slot::jumps).sum();
            if (lacking, jumps) != (0, 0) {
                self.fail(&format!("{name} lacks {lacking} packets, and had to jump to {jumps} key frames"));
            }
        }
    }

    /// The longest gap in any participant's video or audio of another since the last mark.
    #[must_use]
    pub fn longest_gap(&self, kind: MediaKind) -> Duration {
        let present = self.present();
        let pairs = present.iter().flat_map(|by| present.iter().map(move |of| (by, of)));
        let seen = pairs.filter(|(by, of)| by != of).filter_map(|(by, of)| self.seen(by, of, kind));
        seen.map(|seen: check::Seen| seen.longest_gap.max(self.clock.now().duration_since(seen.last.now())))
            .max()
            .unwrap_or_default()
    }
}
