//! The end, in good order.

use jackalope::office::{Delivery, Incoming, OutcomeWord, Qos, SHUTDOWN_TIME};
use jackalope_tests::office::{TWO_HOURS, TestOffice, id, id_of, settings};

#[test]
fn at_the_end_letters_go_out_and_messages_are_left_to_the_broker() {
    let mut test = TestOffice::online(settings());
    let ticket = test.post(Qos::AtLeastOnce, TWO_HOURS);
    test.office.handle_shutdown(test.now);
    test.deliver("a/x", Delivery::AtLeastOnce(id(1)), false);
    assert!(!test.office.is_finished(test.now));
    let publish = test.publish();
    test.receive(Incoming::PubAck(id_of(&publish)));
    assert!(
        !test.office.is_finished(test.now),
        "its guest is to be told"
    );
    assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Delivered)]);
    assert!(test.office.is_finished(test.now));
    assert_eq!(test.packets(), [], "the message is not acknowledged");

    let mut test = TestOffice::online(settings());
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    test.office.handle_shutdown(test.now);
    test.pass(SHUTDOWN_TIME);
    assert!(test.office.is_finished(test.now), "not for ever");
    assert_eq!(test.office.open_letters(), 1);
}
