//! The plan of a run: every step in the order in which it is played, with repetitions and included files unrolled.

use crate::document::{Action, Expectation, Step};

/// Most steps that a run plays, repetitions included.
pub const MAX_PLANNED: usize = 1_000;

/// A step of the plan.
#[derive(Debug, Clone)]
pub struct Planned<'a> {
    /// The step, which is neither a `repeat` nor an `include`.
    pub step: &'a Step,
    /// The number of the step in the plan, from 0. Steps of `meanwhile` are numbered after their flood.
    pub number: usize,
    /// The number of the innermost repetition, from 1; 1 outside of a `repeat`.
    pub repetition: u64,
    /// What is played while a flood is sent.
    pub meanwhile: Vec<Self>,
}

/// Returns every step that is played, in order.
pub(crate) fn plan(steps: &[Step]) -> Vec<Planned<'_>> {
    let mut plan = Vec::new();
    unroll(steps, 1, &mut 0, &mut plan);
    plan
}

impl<'a> Planned<'a> {
    /// Returns the step's expectation, if it is one.
    pub fn expectation(&self) -> Option<&'a Expectation> {
        match &self.step.action {
            Action::Expect(expectation) => Some(expectation),
            _ => None,
        }
    }
}

/// Returns every step of a plan, those of `meanwhile` after their flood.
pub fn flat<'p, 'a>(plan: &'p [Planned<'a>]) -> Vec<&'p Planned<'a>> {
    plan.iter().flat_map(|planned| std::iter::once(planned).chain(flat(&planned.meanwhile))).collect()
}

fn unroll<'a>(steps: &'a [Step], repetition: u64, number: &mut usize, plan: &mut Vec<Planned<'a>>) {
    for step in steps {
        if *number > MAX_PLANNED {
            return;
        }
        match &step.action {
            Action::Repeat(repeat) => {
                (1..=repeat.times).for_each(|times| unroll(&repeat.steps, times, number, plan));
            }
            Action::Include(include) => unroll(&include.steps, repetition, number, plan),
            action => {
                let own = *number;
                *number += 1;
                let mut meanwhile = Vec::new();
                if let Action::Flood(flood) = action {
                    unroll(
                        flood.meanwhile.as_deref().unwrap_or_default(),
                        repetition,
                        number,
                        &mut meanwhile,
                    );
                }
                plan.push(Planned { step, number: own, repetition, meanwhile });
            }
        }
    }
}
