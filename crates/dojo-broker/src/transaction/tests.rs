use super::*;
use proptest::prelude::*;

const TIMEOUT_MS: i32 = 1000;

fn fresh_id() -> i64 {
    77
}

fn producer(id: i64, epoch: i16) -> Producer {
    Producer { id, epoch }
}

/// A transactional id that was taken once, by producer 5 in epoch 0.
fn taken() -> Transaction {
    let mut transaction = Transaction::new(5, 0);
    assert_eq!(init(&mut transaction, None), Ok(Init::Granted(producer(5, 0))));
    transaction
}

fn init(transaction: &mut Transaction, expected: Option<Producer>) -> Result<Init, ResponseError> {
    transaction.init(TIMEOUT_MS, expected, fresh_id, 0)
}

fn write(transaction: &mut Transaction, epoch: i16) -> Result<(), ResponseError> {
    transaction.add_partitions(producer(5, epoch), [("orders".to_owned(), 1)], 10)
}

fn end(
    transaction: &mut Transaction,
    epoch: i16,
    commit: bool,
    protocol: Protocol,
) -> Result<Ended, ResponseError> {
    transaction.end(producer(5, epoch), commit, protocol, fresh_id, 20)
}

fn ended(epoch: i16) -> Ended {
    Ended { producer: producer(5, epoch), ending: None }
}

#[test]
fn a_producer_that_takes_the_id_over_fences_the_one_before() {
    let mut transaction = taken();
    assert_eq!(init(&mut transaction, None), Ok(Init::Granted(producer(5, 1))));
    assert_eq!(write(&mut transaction, 0), Err(ResponseError::ProducerFenced));
    assert_eq!(write(&mut transaction, 2), Err(ResponseError::ProducerFenced));
    assert_eq!(write(&mut transaction, 1), Ok(()));
    let other = transaction.add_group(producer(6, 1), "group", 0);
    assert_eq!(other, Err(ResponseError::InvalidProducerIdMapping));
}

#[test]
fn a_producer_that_goes_on_after_an_error_gets_the_next_epoch_once() {
    let mut transaction = taken();
    for _ in 0..2 {
        let again = init(&mut transaction, Some(producer(5, 0)));
        assert_eq!(again, Ok(Init::Granted(producer(5, 1))), "also where the first answer was lost");
    }
    init(&mut transaction, None).unwrap();
    for zombie in [producer(5, 0), producer(5, 1), producer(6, 2)] {
        assert_eq!(init(&mut transaction, Some(zombie)), Err(ResponseError::ProducerFenced));
    }
}

#[test]
fn a_transaction_that_is_open_is_aborted_before_the_id_is_taken_over() {
    let mut transaction = taken();
    write(&mut transaction, 0).unwrap();
    transaction.add_group(producer(5, 0), "group", 0).unwrap();
    let aborted = Ending {
        producer: producer(5, 1),
        commit: false,
        partitions: [("orders".to_owned(), [1].into())].into(),
        groups: ["group".to_owned()].into(),
    };
    assert_eq!(init(&mut transaction, None), Ok(Init::Abort(aborted)));
    assert_eq!(init(&mut transaction, None), Ok(Init::Granted(producer(5, 2))));
    assert_eq!(end(&mut transaction, 0, true, Protocol::First), Err(ResponseError::ProducerFenced));
}

#[test]
fn by_the_first_protocol_the_epoch_stays_and_an_end_may_be_repeated() {
    for commit in [true, false] {
        let mut transaction = taken();
        let early = end(&mut transaction, 0, commit, Protocol::First);
        assert_eq!(early, Err(ResponseError::InvalidTxnState));
        write(&mut transaction, 0).unwrap();
        let first = end(&mut transaction, 0, commit, Protocol::First).unwrap();
        assert_eq!(first.producer, producer(5, 0));
        assert_eq!(first.ending.unwrap().producer, producer(5, 0));
        assert!(transaction.partitions().is_empty());
        assert_eq!(end(&mut transaction, 0, commit, Protocol::First), Ok(ended(0)));
        let other = end(&mut transaction, 0, !commit, Protocol::First);
        assert_eq!(other, Err(ResponseError::InvalidTxnState));
    }
}

#[test]
fn by_the_second_protocol_each_end_begins_an_epoch_and_may_be_repeated_in_the_old_one() {
    for commit in [true, false] {
        let mut transaction = taken();
        write(&mut transaction, 0).unwrap();
        let first = end(&mut transaction, 0, commit, Protocol::Second).unwrap();
        assert_eq!((first.producer, first.ending.unwrap().producer), (producer(5, 1), producer(5, 1)));
        assert_eq!(write(&mut transaction, 0), Err(ResponseError::ProducerFenced));
        assert_eq!(end(&mut transaction, 0, commit, Protocol::Second), Ok(ended(1)));
        let other = end(&mut transaction, 0, !commit, Protocol::Second);
        assert_eq!(other, Err(ResponseError::InvalidTxnState));
        write(&mut transaction, 1).unwrap();
        assert_eq!(end(&mut transaction, 0, commit, Protocol::Second), Err(ResponseError::ProducerFenced));
    }
}

#[test]
fn only_the_epoch_before_may_repeat_an_end() {
    let mut transaction = taken();
    init(&mut transaction, None).unwrap();
    write(&mut transaction, 1).unwrap();
    end(&mut transaction, 1, true, Protocol::Second).unwrap();
    let mut end_in = |epoch| end(&mut transaction, epoch, true, Protocol::Second);
    assert_eq!(end_in(0), Err(ResponseError::ProducerFenced));
    assert_eq!(end_in(1), Ok(ended(2)));
    assert_eq!(end_in(2), Err(ResponseError::InvalidTxnState), "its transaction has not begun");
    assert_eq!(end_in(3), Err(ResponseError::ProducerFenced));
}

#[test]
fn by_the_second_protocol_nothing_can_be_aborted_but_not_committed() {
    let mut transaction = taken();
    let commit = end(&mut transaction, 0, true, Protocol::Second);
    assert_eq!(commit, Err(ResponseError::InvalidTxnState));
    let abort = end(&mut transaction, 0, false, Protocol::Second).unwrap();
    assert_eq!(abort.producer, producer(5, 1));
    assert!(abort.ending.unwrap().partitions.is_empty());
}

#[test]
fn only_what_was_added_may_be_written() {
    let mut transaction = taken();
    write(&mut transaction, 0).unwrap();
    let me = producer(5, 0);
    assert_eq!(transaction.check_partition(me, "orders", 1), Ok(()));
    assert_eq!(transaction.check_partition(me, "orders", 2), Err(ResponseError::TransactionAbortable));
    assert_eq!(transaction.check_partition(me, "audit", 1), Err(ResponseError::TransactionAbortable));
    assert_eq!(transaction.check_group(me, "group"), Err(ResponseError::TransactionAbortable));
    assert_eq!(transaction.check_partition(producer(5, 1), "orders", 1), Err(ResponseError::ProducerFenced));
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() {
    let mut transaction = taken();
    write(&mut transaction, 0).unwrap();
    assert_eq!(transaction.deadline_ms(), 1010);
    assert_eq!(transaction.tick(fresh_id, 1009), None);
    let ending = transaction.tick(fresh_id, 1010).unwrap();
    assert_eq!((ending.producer, ending.commit), (producer(5, 1), false));
    assert_eq!(transaction.state(), State::CompleteAbort);
    assert_eq!(write(&mut transaction, 0), Err(ResponseError::ProducerFenced));
    // Apache Kafka does the same: a client that only knows the second protocol takes the abort for its own.
    assert_eq!(end(&mut transaction, 0, true, Protocol::First), Err(ResponseError::ProducerFenced));
    assert_eq!(end(&mut transaction, 0, true, Protocol::Second), Err(ResponseError::InvalidTxnState));
    assert_eq!(end(&mut transaction, 0, false, Protocol::Second), Ok(ended(1)));
}

#[test]
fn an_id_that_is_not_used_for_a_week_is_forgotten() {
    let mut transaction = taken();
    assert!(!transaction.is_forgotten_at(EXPIRATION_MS - 1) && transaction.is_forgotten_at(EXPIRATION_MS));
    write(&mut transaction, 0).unwrap();
    assert!(!transaction.is_forgotten_at(i64::MAX));
    end(&mut transaction, 0, true, Protocol::Second).unwrap();
    assert_eq!(transaction.deadline_ms(), 20 + EXPIRATION_MS);
}

#[test]
fn a_producer_whose_epochs_are_used_up_goes_on_under_another_id() {
    let mut transaction = taken();
    transaction.producer.epoch = LAST_EPOCH;
    write(&mut transaction, LAST_EPOCH).unwrap();
    let end_it = |transaction: &mut Transaction| end(transaction, LAST_EPOCH, true, Protocol::Second);
    let first = end_it(&mut transaction).unwrap();
    assert_eq!(first.producer, producer(77, 0));
    assert_eq!(first.ending.unwrap().producer, producer(5, i16::MAX), "the old id is fenced");
    assert_eq!(end_it(&mut transaction), Ok(Ended { producer: producer(77, 0), ending: None }));

    let mut transaction = taken();
    transaction.producer.epoch = LAST_EPOCH;
    for expected in [None, Some(producer(5, LAST_EPOCH))] {
        transaction.producer = producer(5, LAST_EPOCH);
        assert_eq!(init(&mut transaction, expected), Ok(Init::Granted(producer(77, 0))));
    }
    let again = init(&mut transaction, Some(producer(5, LAST_EPOCH)));
    assert_eq!(again, Ok(Init::Granted(producer(77, 0))), "its first answer was lost");

    let mut transaction = taken();
    transaction.producer.epoch = LAST_EPOCH;
    write(&mut transaction, LAST_EPOCH).unwrap();
    assert!(matches!(init(&mut transaction, None), Ok(Init::Abort(_))));
    assert_eq!(init(&mut transaction, None), Ok(Init::Granted(producer(77, 1))));
}

#[derive(Debug, Clone)]
enum Step {
    Init { as_before: bool },
    Write,
    End { commit: bool, protocol: Protocol, again: bool },
    Pass(i64),
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let protocol = prop_oneof![Just(Protocol::First), Just(Protocol::Second)];
    let step = prop_oneof![
        any::<bool>().prop_map(|as_before| Step::Init { as_before }),
        Just(Step::Write),
        (any::<bool>(), protocol, any::<bool>()).prop_map(|(commit, protocol, again)| Step::End {
            commit,
            protocol,
            again
        }),
        (0_i64..600).prop_map(Step::Pass),
    ];
    (0_usize..3, step)
}

proptest! {
    /// Three processes use the same id in any order, and repeat their requests. Only the one with the newest
    /// epoch succeeds, epochs never go back, and every transaction that begins ends once.
    #[test]
    fn only_one_producer_has_a_say(steps in prop::collection::vec(step(), 1..80)) {
        let mut transaction = Transaction::new(5, 0);
        let mut known: [Option<Producer>; 3] = [None; 3];
        let mut before: [Option<Producer>; 3] = [None; 3];
        let (mut now, mut begun, mut ended) = (0, 0, 0);
        for (process, step) in steps {
            let current = transaction.producer();
            let open = transaction.state() == State::Ongoing;
            let mut count = |ending: &Ending| ended += i32::from(!ending.partitions.is_empty());
            match step {
                Step::Init { as_before } => {
                    let expected = known[process].filter(|_| as_before);
                    match transaction.init(TIMEOUT_MS, expected, fresh_id, now) {
                        Ok(Init::Granted(producer)) => {
                            prop_assert!(!open);
                            known[process] = Some(producer);
                        }
                        Ok(Init::Abort(ending)) => {
                            prop_assert!(open && !ending.commit && ending.producer.epoch > current.epoch);
                            count(&ending);
                        }
                        Err(error) => {
                            prop_assert_eq!(error, ResponseError::ProducerFenced);
                            prop_assert!(expected.is_some_and(|expected| expected != current));
                        }
                    }
                }
                Step::Write => {
                    let Some(me) = known[process] else { continue };
                    let added = transaction.add_partitions(me, [("orders".to_owned(), 0)], now);
                    prop_assert_eq!(added.is_ok(), me == current);
                    begun += i32::from(added.is_ok() && !open);
                }
                Step::End { commit, protocol, again } => {
                    let who = if again { before[process] } else { known[process] };
                    let Some(me) = who else { continue };
                    match transaction.end(me, commit, protocol, fresh_id, now) {
                        Ok(Ended { producer, ending }) => {
                            if let Some(ending) = &ending {
                                prop_assert_eq!(me, current);
                                prop_assert_eq!(ending.commit, commit);
                                count(ending);
                            }
                            prop_assert!(ending.is_some() || !open);
                            if me == known[process].unwrap_or(me) {
                                before[process] = Some(me);
                                known[process] = Some(producer);
                            }
                        }
                        Err(_) => prop_assert!(me != current || !open),
                    }
                }
                Step::Pass(time) => {
                    now += time;
                    if let Some(ending) = transaction.tick(fresh_id, now) {
                        prop_assert!(open && !ending.commit);
                        count(&ending);
                    }
                }
            }
            prop_assert!(transaction.producer().epoch >= current.epoch);
            let still_open = i32::from(transaction.state() == State::Ongoing);
            prop_assert_eq!(begun, ended + still_open);
        }
    }
}
