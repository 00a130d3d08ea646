//! Random draws that can be repeated: the same seed, step and order give the same customer, item, quantity and price, on
//! every machine and whatever the timing. Pure.
//!
//! Each order has its own generator, so the draws of order 500 don't depend on whether order 499 was drawn before it. The
//! generator is ChaCha8, which is specified to the bit. How a number is made of its bits is written here and not taken
//! from `rand`, whose distributions may change between releases; the tests pin the results.

use rand::{Rng, SeedableRng, rngs::ChaCha8Rng};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use std::ops::RangeInclusive;

/// The seed of a run, from which all of its draws follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// Returns the generator of the order with this index in the step with this index.
    pub fn generator(self, step: u64, order: u64) -> Generator {
        let mut key = <ChaCha8Rng as SeedableRng>::Seed::default();
        for (bytes, number) in key.chunks_exact_mut(8).zip([self.0, step, order]) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        Generator(ChaCha8Rng::from_seed(key))
    }
}

/// Draws the random values of one order, one after another.
#[derive(Debug)]
pub struct Generator(ChaCha8Rng);

impl Generator {
    /// Returns one item of a list, each as likely as the others; `None` if the list is empty.
    pub fn one_of<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        let index = self.below(list.len() as u128)?;
        list.get(usize::try_from(index).ok()?)
    }

    /// Returns one item of a list, each as likely as its weight says; `None` if no weight is above 0.
    pub fn weighted<'a, T>(&mut self, list: &'a [(T, u32)]) -> Option<&'a T> {
        let total = list.iter().map(|(_, weight)| u128::from(*weight)).sum();
        let mut point = self.below(total)?;
        list.iter().find_map(|(item, weight)| match point.checked_sub(u128::from(*weight)) {
            None => Some(item),
            Some(rest) => {
                point = rest;
                None
            }
        })
    }

    /// Returns a whole number of a range, both ends included; `None` if the range is empty.
    pub fn whole(&mut self, range: RangeInclusive<i64>) -> Option<i64> {
        let (start, end) = (i128::from(*range.start()), i128::from(*range.end()));
        let count = u128::try_from(end - start + 1).ok()?;
        i64::try_from(start + i128::try_from(self.below(count)?).ok()?).ok()
    }

    /// Returns a number with at most two decimals of a range, both ends included, such as a price; `None` if the range has
    /// no such number, or is too large.
    pub fn decimal(&mut self, range: RangeInclusive<Decimal>) -> Option<Decimal> {
        let hundredths = |bound: &Decimal| bound.checked_mul(Decimal::ONE_HUNDRED);
        let (start, end) = (hundredths(range.start())?.ceil(), hundredths(range.end())?.floor());
        Some(Decimal::new(self.whole(start.to_i64()?..=end.to_i64()?)?, 2))
    }

    /// Returns a whole number below `bound`, which is at most 2^64; `None` if the bound is 0.
    fn below(&mut self, bound: u128) -> Option<u128> {
        // Scales 64 random bits down to the bound. One number may be more likely than another by the bound in 2^64, which
        // no run is long enough to show.
        (bound > 0).then(|| (u128::from(self.0.next_u64()) * bound) >> 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn dollars(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    /// These values are a promise: a run can be repeated from the seed that its report shows.
    #[test]
    fn the_same_seed_gives_the_same_draws_in_every_release() {
        let mut seen = Vec::new();
        for order in 0..4 {
            let mut generator = Seed(42).generator(1, order);
            let item = generator.one_of(&["Pizza", "Soup", "Salad"]).unwrap();
            let customer = generator.weighted(&[("Ada", 9), ("Mallory", 1)]).unwrap();
            let quantity = generator.whole(1..=10).unwrap();
            let price = generator.decimal(dollars("5")..=dollars("20")).unwrap();
            seen.push(format!("{quantity} {item} at {price} for {customer}"));
        }
        assert_eq!(
            seen,
            [
                "5 Soup at 17.68 for Ada",
                "9 Salad at 16.50 for Ada",
                "2 Soup at 10.38 for Ada",
                "1 Soup at 11.95 for Mallory"
            ]
        );
    }

    #[test]
    fn every_seed_step_and_order_has_its_own_draws() {
        let first = |seed, step, order| Seed(seed).generator(step, order).whole(i64::MIN..=i64::MAX).unwrap();
        let drawn = [first(1, 1, 1), first(2, 1, 1), first(1, 2, 1), first(1, 1, 2)];
        assert_eq!(BTreeMap::from(drawn.map(|n| (n, ()))).len(), 4, "{drawn:?}");
    }

    #[test]
    fn items_come_as_often_as_their_weights_say() {
        const DRAWS: u64 = 100_000;
        let mut times = BTreeMap::new();
        for order in 0..DRAWS {
            let list = [("often", 70), ("never", 0), ("seldom", 30)];
            *times.entry(*Seed(7).generator(0, order).weighted(&list).unwrap()).or_insert(0u64) += 1;
        }
        // Five standard deviations are 725.
        assert!(times["often"].abs_diff(70_000) < 725 && times["seldom"].abs_diff(30_000) < 725, "{times:?}");
        assert!(!times.contains_key("never"));
    }

    #[test]
    fn each_number_of_a_range_comes_up_both_ends_included() {
        let mut times = BTreeMap::new();
        for order in 0..6_000 {
            *times.entry(Seed(7).generator(0, order).whole(-2..=3).unwrap()).or_insert(0u64) += 1;
        }
        assert_eq!(times.keys().copied().collect::<Vec<_>>(), [-2, -1, 0, 1, 2, 3]);
        assert!(times.values().all(|n| n.abs_diff(1_000) < 150), "{times:?}");
    }

    #[test]
    fn nothing_is_drawn_from_nothing() {
        let mut generator = Seed(1).generator(0, 0);
        assert_eq!(generator.one_of::<u8>(&[]), None);
        assert_eq!(generator.weighted(&[("zero", 0)]), None);
        #[expect(clippy::reversed_empty_ranges, reason = "the range under test is empty")]
        let empty = 2..=1;
        assert_eq!(generator.whole(empty), None);
        assert_eq!(generator.decimal(dollars("1.001")..=dollars("1.009")), None);
        assert_eq!(generator.decimal(Decimal::MIN..=Decimal::MAX), None);
        assert!(generator.whole(i64::MIN..=i64::MAX).is_some());
    }

    proptest! {
        #[test]
        fn a_draw_is_of_its_range(seed: u64, order: u64, start: i64, end: i64, cents in 0i64..1_000_000, more in 0i64..1_000) {
            let mut generator = Seed(seed).generator(3, order);
            let (start, end) = (start.min(end), start.max(end));
            prop_assert!((start..=end).contains(&generator.whole(start..=end).unwrap()));
            let (low, high) = (Decimal::new(cents, 2), Decimal::new(cents + more, 2));
            let price = generator.decimal(low..=high).unwrap();
            prop_assert!(low <= price && price <= high && price.scale() <= 2);
        }
    }
}
