//! Actions of members in any order.

use super::*;
use proptest::prelude::*;

/// An action of a member.
#[derive(Debug, Clone)]
enum Step {
    Join { member: u8, first: bool, comes_back: bool, instance: bool, protocol: bool },
    Sync { member: u8, stale: bool },
    Heartbeat { member: u8 },
    Leave { member: u8 },
    Wait { millis: u64 },
    Resume,
}

fn step() -> impl Strategy<Value = Step> {
    let member = 0_u8..4;
    prop_oneof![
        6 => (member.clone(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.1))
            .prop_map(|(member, first, comes_back, instance, protocol)| {
                Step::Join { member, first, comes_back, instance, protocol }
            }),
        5 => (member.clone(), prop::bool::weighted(0.1)).prop_map(|(member, stale)| Step::Sync { member, stale }),
        2 => member.clone().prop_map(|member| Step::Heartbeat { member }),
        1 => member.prop_map(|member| Step::Leave { member }),
        2 => (0_u64..9000).prop_map(|millis| Step::Wait { millis }),
        1 => Just(Step::Resume),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// In any order of actions, no request is answered twice or waits without a bound; a stable group has a
    /// leader among its members; a generation never comes back; and the clock never stands still.
    #[test]
    fn a_group_never_gets_stuck(steps in prop::collection::vec(step(), 1..60), delay in prop_oneof![Just(0_u64), Just(3000)]) {
        let mut bench = TestGroup::with_delay(Duration::from_millis(delay));
        let mut ids: Vec<String> = (0..4).map(|n| format!("m{n}")).collect();
        let mut lost = BTreeSet::new();
        let mut generation = 0;
        for (n, step) in steps.iter().enumerate() {
            match step {
                Step::Join { member, first, comes_back, instance, protocol } => {
                    let slot = usize::from(*member);
                    let fresh_id = format!("m{member}-{n}");
                    let join = Join {
                        member_id: if *first { String::new() } else { ids[slot].clone() },
                        instance_id: instance.then(|| format!("i{member}")),
                        comes_back_with_id: *comes_back,
                        protocols: protocols(if *protocol { &["sticky", "range"] } else { &["range"] }),
                        ..joining(&fresh_id)
                    };
                    bench.join_as(&join);
                    if *first {
                        ids[slot] = fresh_id;
                    }
                }
                Step::Sync { member, stale } => {
                    let generation = bench.group.generation - i32::from(*stale);
                    bench.sync(&ids[usize::from(*member)], generation, &[]);
                }
                Step::Heartbeat { member } => {
                    let generation = bench.group.generation;
                    let _ = bench.heartbeat(&ids[usize::from(*member)], generation);
                }
                Step::Leave { member } => drop(bench.leave(&ids[usize::from(*member)])),
                Step::Wait { millis } => bench.wait(Duration::from_millis(*millis)),
                Step::Resume => {
                    let now = bench.now;
                    lost.extend(bench.asked.iter().copied().filter(|waiter| bench.is_waiting(*waiter)));
                    bench.group.resume(now);
                }
            }
            let group = &bench.group;
            prop_assert!(group.generation >= generation);
            generation = group.generation;
            let leads = group.members.iter().any(|member| member.id == group.leader);
            match group.state {
                State::Stable | State::CompletingRebalance => prop_assert!(leads),
                State::Empty => prop_assert!(group.members.is_empty()),
                State::PreparingRebalance => prop_assert!(group.phase.is_some()),
                State::Dead => {}
            }
        }
        // All members fall silent: the clock alone must end the group.
        let last = bench.now + REBALANCE * 4;
        while let Some(deadline) = bench.group.next_deadline() {
            prop_assert!(deadline <= last, "still something to do after {:?}", REBALANCE * 4);
            bench.now = deadline.max(bench.now);
            bench.wait(Duration::ZERO);
            let next = bench.group.next_deadline();
            prop_assert!(next.is_none_or(|next| next > bench.now), "the clock stands still");
        }
        prop_assert_eq!(bench.group.state, State::Dead, "a group without members or offsets is forgotten");
        let unanswered = bench.asked.iter().filter(|waiter| bench.is_waiting(**waiter) && !lost.contains(*waiter));
        prop_assert_eq!(unanswered.count(), 0);
    }
}
