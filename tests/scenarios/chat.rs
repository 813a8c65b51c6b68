//! Messages reach everybody once and in order, including late joiners, whatever breaks.

use shared::MessageId;
use std::time::Duration;
use world::World;

#[test]
fn everybody_reads_everything_once_and_in_order() {
    let mut world = World::seeded(1);
    world.gather(&["ada", "grace"]);
    write(&mut world, "ada", "one");
    world.run_for(Duration::from_millis(200));
    world.drop_socket("grace");
    write(&mut world, "ada", "two");
    world.run_for(Duration::from_secs(2));
    world.join("alan");
    world.run_for(Duration::from_secs(1));
    world.restart_edge();
    world.run_for(Duration::from_secs(3));
    write(&mut world, "alan", "three");
    world.run_for(Duration::from_secs(1));
    for name in ["ada", "grace", "alan"] {
        let texts: Vec<&str> = world.browser(name).knowledge().chat.values().map(|said| said.text.as_str()).collect();
        assert_eq!(texts, ["one", "two", "three"], "{name}");
    }
    world.check_all();
}

fn write(world: &mut World, name: &str, text: &str) {
    let message = MessageId::parse(text).expect("a name");
    world.act(name, |browser, clock| browser.write(clock, message, text));
}
