//! Assigns tracks to the receive slots of all participants.

use crate::room::publish::candidates::{Candidate, Candidates, plays};
use crate::room::publish::published::{Publishers, Republished, Toggled};
use crate::room::state::State;
use crate::room::state::members::Member;
use crate::room::state::slots::{Playing, Slot};
use shared::rtp_parameters::MediaKind;
use shared::signal::SlotInfo;
use shared::sorted;
use shared::{ParticipantId, TrackId, limits};

/// The slot messages for one participant.
pub(crate) struct ChangedSlots {
    pub(crate) participant: ParticipantId,
    pub(crate) slots: Vec<SlotInfo>,
    pub(crate) sections_needed: Option<(u8, u8)>,
}

struct Filled {
    participant: ParticipantId,
    slots: Option<Vec<Slot>>,
    sections_needed: Option<(u8, u8)>,
}

/// Reassigns the slots that this input may have changed: all of them if other microphones are heard.
pub(crate) fn fill(
    state: &mut State,
    publishers: &Publishers,
    republished: &Republished,
    is_reordered: bool,
) -> Vec<ChangedSlots> {
    let mut changed = Vec::new();
    for Filled { participant, slots, sections_needed } in filled(state, publishers, republished, is_reordered) {
        let Some(member) = state.members.get_mut(&participant) else { continue };
        let mut infos = Vec::new();
        if let Some(slots) = slots {
            let differs = |(now, before): &(&Slot, &Slot)| now.playing != before.playing;
            infos.extend(slots.iter().zip(&member.slots).filter(differs).map(|(now, _)| SlotInfo::from(now)));
            member.slots = slots;
        }
        if let Some(asked) = sections_needed {
            member.sections_asked = asked;
        }
        changed.push(ChangedSlots { participant, slots: infos, sections_needed });
    }
    changed
}

fn filled(state: &State, publishers: &Publishers, republished: &Republished, is_reordered: bool) -> Vec<Filled> {
    let concerns_all = republished.tracks_changed || is_reordered;
    if state.members.changed().is_empty() && !concerns_all && republished.toggled.is_empty() {
        return Vec::new();
    }
    let heard = state.meta().map_or(&[][..], |meta| &meta.heard);
    let (everything, nothing) = (candidates(publishers, heard), Candidates::default());
    let mut filled = Vec::new();
    for member in viewers_to_fill(state, concerns_all, &republished.toggled, &everything) {
        let candidates = if member.grants.subscribe { &everything } else { &nothing };
        let slots = assign(&member.slots, candidates, &member.id, &member.view);
        let sections_needed = sections_needed(member, candidates);
        if slots.is_some() || sections_needed.is_some() {
            filled.push(Filled { participant: member.id.clone(), slots, sections_needed });
        }
    }
    filled
}

fn candidates<'a>(publishers: &'a Publishers, heard: &[TrackId]) -> Candidates<'a> {
    let mut publishers: Vec<_> = publishers.iter().collect();
    sorted::sort_by_key(&mut publishers, |(_, publisher)| publisher.order);
    let mut candidates = Candidates::default();
    for (participant, publisher) in publishers {
        for track in &publisher.tracks {
            let place = heard.iter().position(|id| *id == track.id).unwrap_or(usize::MAX);
            candidates.push(Candidate { participant, track, place });
        }
    }
    candidates
}

/// All participants if tracks were added or removed, or others are heard; otherwise the changed participants, and
/// those affected by a muted or unmuted track.
fn viewers_to_fill<'a>(
    state: &'a State,
    concerns_all: bool,
    toggled: &[Toggled],
    everything: &Candidates<'_>,
) -> Vec<&'a Member> {
    let viewers: Vec<&Member> = match (concerns_all, toggled.is_empty()) {
        (false, true) => state.members.changed().iter().filter_map(|id| state.members.get(id)).collect(),
        (false, false) => {
            let is_touched = |member: &&Member| {
                state.members.changed().contains(&member.id)
                    || toggled.iter().any(|toggled| everything.touches(toggled, &member.slots, &member.id))
            };
            state.members.values().filter(is_touched).collect()
        }
        (true, _) => state.members.values().collect(),
    };
    viewers.into_iter().filter(|member| !member.slots.is_empty()).collect()
}

/// The number of slots to request from a client, if it is more than already requested.
fn sections_needed(member: &Member, candidates: &Candidates<'_>) -> Option<(u8, u8)> {
    let count = |kind: MediaKind| {
        let has = member.slots.iter().filter(|slot| slot.kind == kind).count();
        (has, needed(has, candidates.count(kind, &member.id)))
    };
    let (audio, more_audio) = count(MediaKind::Audio);
    let (video, more_video) = count(MediaKind::Video);
    if more_audio.is_none() && more_video.is_none() {
        return None;
    }
    let or = |more: Option<u8>, has: usize| more.unwrap_or_else(|| u8::try_from(has).unwrap_or(u8::MAX));
    let needed = (or(more_audio, audio), or(more_video, video));
    (needed.0 > member.sections_asked.0 || needed.1 > member.sections_asked.1).then_some(needed)
}

/// Reassigns the slots of `own`; `None` if nothing changes.
pub(crate) fn assign(
    slots: &[Slot],
    candidates: &Candidates<'_>,
    own: &ParticipantId,
    view: &[ParticipantId],
) -> Option<Vec<Slot>> {
    let mut filled: Option<Vec<Slot>> = None;
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let now = filled.as_deref().unwrap_or(slots);
        let wanted = candidates.choose(kind, now, own, view);
        let playing = now.iter().filter(|slot| slot.kind == kind && slot.playing.is_some()).count();
        // Usually all wanted tracks play already.
        if playing == wanted.len() && wanted.iter().all(|candidate| now.iter().any(|slot| plays(slot, candidate))) {
            continue;
        }
        let filled = filled.get_or_insert_with(|| slots.to_vec());
        clear(filled, kind, &wanted);
        for candidate in wanted {
            place(filled, candidate);
        }
    }
    filled
}

/// Frees the slots of tracks that no longer play.
fn clear(slots: &mut [Slot], kind: MediaKind, wanted: &[Candidate<'_>]) {
    for slot in slots.iter_mut().filter(|slot| slot.kind == kind && slot.playing.is_some()) {
        if !wanted.iter().any(|candidate| plays(slot, candidate)) {
            slot.playing = None;
        }
    }
}

/// Gives a track a slot if it has none: preferably the one paired with its publisher's other kind, so that browsers
/// keep the two in sync.
fn place(slots: &mut [Slot], candidate: Candidate<'_>) {
    if slots.iter().any(|slot| plays(slot, &candidate)) {
        return;
    }
    let kind = candidate.track.kind();
    let of_publisher =
        |slot: &&Slot| slot.playing.as_ref().is_some_and(|playing| playing.participant == *candidate.participant);
    let beside = slots.iter().filter(|slot| slot.kind != kind).find(of_publisher).map(|slot| slot.number);
    let free = |slot: &&mut Slot| slot.kind == kind && slot.playing.is_none();
    let best = slots.iter_mut().filter(free).min_by_key(|slot| (Some(slot.number) != beside, slot.number));
    if let Some(slot) = best {
        slot.playing = Some(Playing { participant: candidate.participant.clone(), track: candidate.track.id.clone() });
    }
}

/// The number of slots per kind that a client must offer to receive `tracks`; `None` if it has enough.
pub(crate) fn needed(slots: usize, tracks: usize) -> Option<u8> {
    // A client that offers no slot of a kind does not want that kind.
    if slots == 0 || tracks <= slots {
        return None;
    }
    let mut offered = limits::SLOTS_PER_KIND_DEFAULT;
    while offered < tracks.min(limits::SLOTS_PER_KIND_MAX) {
        offered = offered.saturating_add(limits::SLOTS_PER_KIND_DEFAULT);
    }
    let offered = offered.min(limits::SLOTS_PER_KIND_MAX);
    u8::try_from(offered).ok().filter(|_| offered > slots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::state::tracks::Track;
    use shared::Mid;
    use shared::signal::TrackSource;

    /// `"ada:mc grace:M bob:m7"`: publishers and their tracks, in the order of joining; m, c, s, a are microphone,
    /// camera, screen and its sound, in capitals muted; the number is the time of opening.
    fn room(text: &str) -> Vec<(ParticipantId, Track)> {
        let mut tracks = Vec::new();
        for word in text.split_whitespace() {
            let (name, letters) = word.split_once(':').unwrap();
            let digits = letters.trim_start_matches(char::is_alphabetic);
            let (letters, unmuted) = (letters.trim_end_matches(digits), digits.parse().unwrap_or(0));
            for letter in letters.chars() {
                let source = match letter.to_ascii_lowercase() {
                    'm' => TrackSource::Microphone,
                    'c' => TrackSource::Camera,
                    's' => TrackSource::Screen,
                    _ => TrackSource::ScreenAudio,
                };
                let id = TrackId::parse(&format!("{name}-{}", letter.to_ascii_lowercase())).unwrap();
                let muted = letter.is_ascii_uppercase();
                let mid = Mid::parse("0").unwrap();
                tracks.push((
                    ParticipantId::parse(name).unwrap(),
                    Track { id, mid, source, muted, silenced: false, csrc: 0, unmuted },
                ));
            }
        }
        tracks
    }

    fn push_all<'a>(candidates: &mut Candidates<'a>, tracks: &'a [(ParticipantId, Track)], heard: &[&str]) {
        for (participant, track) in tracks {
            let place = heard.iter().position(|id| *id == track.id.as_str()).unwrap_or(usize::MAX);
            candidates.push(Candidate { participant, track, place });
        }
    }

    fn slots(kinds: &[(MediaKind, u8)]) -> Vec<Slot> {
        let slot = |(kind, number): (MediaKind, u8)| Slot {
            mid: Mid::parse(&format!("{number}")).unwrap(),
            kind,
            number,
            playing: None,
        };
        let numbered = kinds.iter().flat_map(|(kind, count)| (0..*count).map(move |number| (*kind, number)));
        numbered.map(slot).collect()
    }

    fn shown(slots: &[Slot]) -> String {
        let track = |slot: &Slot| slot.playing.as_ref().map_or("-".to_string(), |p| p.track.to_string());
        slots.iter().map(track).collect::<Vec<_>>().join(" ")
    }

    /// Plays rooms one after another in the same slots; each step has a view and the expected slots.
    fn check(kinds: &[(MediaKind, u8)], steps: &[(&str, &str, &str)]) {
        let mut slots = slots(kinds);
        for (text, view, expected) in steps {
            let tracks = room(text);
            let mut candidates = Candidates::default();
            push_all(&mut candidates, &tracks, &[]);
            let view: Vec<_> = view.split_whitespace().map(|name| ParticipantId::parse(name).unwrap()).collect();
            let own = ParticipantId::parse("own").unwrap();
            if let Some(filled) = assign(&slots, &candidates, &own, &view) {
                slots = filled;
            }
            assert_eq!(shown(&slots), *expected, "{text}");
            assert_eq!(assign(&slots, &candidates, &own, &view), None, "{text}: assigning again changes nothing");
        }
    }

    const AUDIO: MediaKind = MediaKind::Audio;
    const VIDEO: MediaKind = MediaKind::Video;

    #[test]
    fn everything_plays_while_there_is_room() {
        check(&[(AUDIO, 2), (VIDEO, 2)], &[("", "", "- - - -"), ("a:mC b:M", "", "a-m b-m a-c -")]);
    }

    #[test]
    fn nobody_receives_themselves() {
        check(&[(AUDIO, 2)], &[("own:m a:m", "own", "a-m -")]);
    }

    #[test]
    fn a_track_keeps_its_slot_while_others_come_and_go() {
        check(
            &[(AUDIO, 3)],
            &[("a:m b:m c:m", "", "a-m b-m c-m"), ("b:m c:m", "", "- b-m c-m"), ("b:m c:m d:m", "", "d-m b-m c-m")],
        );
    }

    #[test]
    fn sound_and_picture_of_one_share_a_number_where_possible() {
        check(&[(AUDIO, 3), (VIDEO, 3)], &[("a:m b:mc", "", "a-m b-m - - b-c -")]);
    }

    #[test]
    fn a_muted_microphone_gives_way_to_an_open_one_and_no_sooner() {
        check(
            &[(AUDIO, 2)],
            &[("a:M b:m", "", "a-m b-m"), ("a:M b:m c:m", "", "c-m b-m"), ("a:m b:m c:m", "", "c-m b-m")],
        );
    }

    /// Checks whether muting or unmuting this track can change these slots.
    fn check_toggle(slots_of_kind: u8, before: &str, after: &str, view: &str, track: &str, expected: bool) {
        let kind = if track.ends_with('m') { AUDIO } else { VIDEO };
        let own = ParticipantId::parse("own").unwrap();
        let view: Vec<_> = view.split_whitespace().map(|name| ParticipantId::parse(name).unwrap()).collect();
        let mut slots = slots(&[(kind, slots_of_kind)]);
        let fill = |slots: &[Slot], tracks: &[(ParticipantId, Track)]| {
            let mut candidates = Candidates::default();
            push_all(&mut candidates, tracks, &[]);
            assign(slots, &candidates, &own, &view)
        };
        slots = fill(&slots, &room(before)).unwrap_or(slots);
        let tracks = room(after);
        let mut candidates = Candidates::default();
        push_all(&mut candidates, &tracks, &[]);
        let id = TrackId::parse(track).unwrap();
        let muted = tracks.iter().find(|(_, track)| track.id == id).unwrap().1.muted;
        let touched = candidates.touches(&Toggled { track: id, kind, muted }, &slots, &own);
        assert_eq!(touched, expected, "{before} to {after}");
        assert!(touched || fill(&slots, &tracks).is_none(), "{before} to {after} changes what plays");
    }

    #[test]
    fn muting_is_looked_at_only_where_it_may_change_what_plays() {
        // Every track has a slot.
        check_toggle(2, "a:m b:m", "a:M b:m", "", "a-m", false);
        check_toggle(2, "a:c b:c", "a:C b:c", "", "a-c", false);
        // A playing track closes.
        check_toggle(2, "a:m b:m c:M", "a:M b:m c:M", "", "a-m", true);
        check_toggle(2, "a:m b:m c:m", "a:M b:m c:m", "", "a-m", true);
        // A track opens.
        check_toggle(2, "a:m b:M c:M", "a:m b:M c:m", "", "c-m", true);
        check_toggle(2, "a:m b:m c:M", "a:m b:m c:m", "", "c-m", true);
        // A track that does not play closes.
        check_toggle(2, "a:m b:m c:m", "a:m b:m c:M", "", "c-m", false);
        // Video is chosen by further criteria.
        check_toggle(1, "a:C b:c", "a:C b:C", "a", "b-c", true);
        check_toggle(1, "a:c own:c", "a:C own:c", "", "a-c", false);
    }

    #[test]
    fn of_too_many_open_microphones_those_opened_last_are_heard() {
        check(
            &[(AUDIO, 2)],
            &[
                ("a:m1 b:m2", "", "a-m b-m"),
                ("a:m1 b:m2 c:m3", "", "c-m b-m"),
                ("a:m4 b:m2 c:m3", "", "c-m a-m"),
                ("a:M4 b:m2 c:m3", "", "c-m b-m"),
            ],
        );
    }

    #[test]
    fn of_too_many_open_microphones_those_that_a_node_found_loudest_are_heard() {
        let tracks = room("a:m1 b:m2 c:m3 d:M4");
        let play = |before: &[Slot], heard: &[&str]| {
            let mut candidates = Candidates::default();
            push_all(&mut candidates, &tracks, heard);
            assign(before, &candidates, &ParticipantId::parse("own").unwrap(), &[]).unwrap_or(before.to_vec())
        };
        let last_opened = play(&slots(&[(AUDIO, 2)]), &[]);
        assert_eq!(shown(&last_opened), "c-m b-m");
        let loudest = play(&last_opened, &["d-m", "a-m"]);
        assert_eq!(shown(&loudest), "c-m a-m", "a muted one is not heard, and a free slot goes to the one opened last");
        assert_eq!(shown(&play(&loudest, &["b-m", "a-m"])), "b-m a-m");
    }

    #[test]
    fn whom_the_user_looks_at_is_shown() {
        check(
            &[(VIDEO, 2)],
            &[("a:c b:c c:c", "", "a-c b-c"), ("a:c b:c c:c", "c", "a-c c-c"), ("a:c b:c c:c", "c b", "b-c c-c")],
        );
    }

    #[test]
    fn a_view_changes_no_sound() {
        check(&[(AUDIO, 1)], &[("a:m b:m", "", "a-m"), ("a:m b:m", "b", "a-m")]);
    }

    #[test]
    fn screens_come_before_cameras() {
        check(
            &[(VIDEO, 2)],
            &[("a:c b:c", "", "a-c b-c"), ("a:c b:c c:s", "", "a-c c-s"), ("a:c b:c c:s", "b a", "b-c c-s")],
        );
    }

    #[test]
    fn a_dark_camera_is_shown_only_while_nobody_waits() {
        check(&[(VIDEO, 1)], &[("a:C", "", "a-c"), ("a:C b:c", "a", "b-c"), ("a:c b:c", "a", "a-c")]);
    }

    #[test]
    fn asks_for_more_slots_in_steps() {
        for (slots, tracks, expected) in [
            (0, 50, None),
            (8, 8, None),
            (8, 9, Some(16)),
            (8, 17, Some(24)),
            (16, 17, Some(24)),
            (8, 400, Some(24)),
            (24, 400, None),
            (1, 2, Some(8)),
            (20, 22, Some(24)),
        ] {
            assert_eq!(needed(slots, tracks), expected, "{slots} slots, {tracks} tracks");
        }
    }
}
