//! Guests of one address leave places to others.

use crate::bans::{HOST, comes, guest_joins, says};
use crate::stage::Stage;
use shared::signal::{ClientToEdge, RoomChange};
use shared::{ErrorCode, limits};

/// Each number's guest is another person.
fn guest_name(number: usize) -> String {
    let letter = |value: usize| char::from(b'a' + (value % 26) as u8);
    format!("guest-{}{}", letter(number / 26), letter(number))
}

#[test]
fn guests_of_one_address_leave_a_fifth_of_the_places_to_others() {
    let mut stage = Stage::new(1);
    comes(&mut stage, "ada", HOST);
    let change = RoomChange { participants_max: Some(10), ..RoomChange::default() };
    says(&mut stage, "ada", ClientToEdge::UpdateRoom { change });
    for number in 0..8 {
        assert_eq!(guest_joins(&mut stage, &guest_name(number), "office"), None);
    }
    assert_eq!(guest_joins(&mut stage, &guest_name(8), "office"), Some(ErrorCode::RoomFull));
    assert_eq!(
        guest_joins(&mut stage, &format!("{}2", guest_name(0)), "office"),
        None,
        "who is in the room may reload"
    );
    assert_eq!(guest_joins(&mut stage, &guest_name(9), "home"), None);
}

#[test]
fn guests_of_one_address_leave_others_a_fifth_of_those_who_may_publish() {
    let mut stage = Stage::new(1);
    comes(&mut stage, "ada", HOST);
    let change = RoomChange { participants_max: Some(1_000), ..RoomChange::default() };
    says(&mut stage, "ada", ClientToEdge::UpdateRoom { change });
    let share = limits::guests_per_address_max(limits::PUBLISHERS_PER_ROOM_MAX);
    for number in 0..share {
        assert_eq!(guest_joins(&mut stage, &guest_name(number), "office"), None);
    }
    assert_eq!(guest_joins(&mut stage, &guest_name(share), "office"), Some(ErrorCode::TooManyPublishers));
    assert_eq!(guest_joins(&mut stage, &guest_name(share + 1), "home"), None);
}
