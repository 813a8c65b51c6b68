//! During a pause the node forwards nothing, whatever its clients send.

use edge_core::room::Verb;
use shared::rtp_parameters::MediaKind;
use std::time::Duration;
use world::World;

const NAMES: [&str; 3] = ["ada", "grace", "alan"];
/// Packets that are under way when the pause begins.
const UNDER_WAY: Duration = Duration::from_millis(100);

// Holds S0-SIG-05.
#[test]
fn nothing_arrives_until_the_call_is_resumed() {
    let mut world = World::seeded(1);
    world.gather(&NAMES);
    world.check_everybody_plays();
    world.moderate(Verb::Pause { reason: None });
    world.run_for(UNDER_WAY);
    assert_eq!(frames(&mut world, Duration::from_secs(5)), 0);
    // A participant who mutes and unmutes, one who reloads the page, and a restart of the edge end no pause.
    world.set_muted("ada", MediaKind::Audio, true);
    world.set_muted("ada", MediaKind::Audio, false);
    world.reload("grace");
    world.restart_edge();
    assert_eq!(frames(&mut world, Duration::from_secs(5)), 0);
    world.moderate(Verb::Resume);
    world.run_for(Duration::from_secs(1));
    // Fifty packets of sound and twenty pictures of each for each.
    assert!(frames(&mut world, Duration::from_secs(1)) > 6 * 60);
}

#[test]
fn a_pause_outlasts_its_node() {
    let mut world = World::seeded(2);
    world.start_node("node-b");
    world.gather(&NAMES[..2]);
    world.moderate(Verb::Pause { reason: None });
    world.run_for(UNDER_WAY);
    let serving = world.serving();
    serving.iter().for_each(|node| world.kill_node(node));
    assert_eq!(frames(&mut world, Duration::from_secs(8)), 0);
    assert_ne!(world.serving(), serving);
    world.moderate(Verb::Resume);
    world.run_for(Duration::from_secs(2));
    assert!(frames(&mut world, Duration::from_secs(1)) > 100);
}

/// The frames of all participants that all others decode in this time.
fn frames(world: &mut World, time: Duration) -> u64 {
    world.mark();
    world.run_for(time);
    let mut frames = 0;
    for by in world.present() {
        for of in world.present().iter().filter(|of| **of != by) {
            for kind in [MediaKind::Audio, MediaKind::Video] {
                frames += world.seen(&by, of, kind).map_or(0, |seen| seen.frames);
            }
        }
    }
    frames
}
