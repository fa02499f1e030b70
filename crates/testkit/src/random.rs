//! A small seeded generator of pseudo-random numbers.
//!
//! A failing case is replayed by its seed, on any machine and by any later build, so the sequence
//! must never change with a dependency: SplitMix64, which passes the usual statistical batteries,
//! has no bad seeds and fits in ten lines.

/// A deterministic source of randomness; equal seeds give equal sequences for ever.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// Starts the sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Random {
        Random { state: seed ^ 0x9E37_79B9_7F4A_7C15 }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which must not be zero.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "an empty range has no element to draw");
        (self.bits() % bound as u64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        assert!(low <= high, "a range runs upwards");
        let width = (high - low) as u64 + 1;
        low + (self.bits() % width) as i64
    }

    /// True `percent` times out of a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.bits() % 100 < percent
    }

    /// One element of a slice that is not empty.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A new, independent generator, so that one part's draws do not shift another's.
    pub fn fork(&mut self) -> Random {
        Random::new(self.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn a_seed_fixes_the_sequence_for_ever() {
        let mut random = Random::new(7);
        let first: Vec<u64> = (0..3).map(|_| random.below(1000) as u64).collect();
        let mut again = Random::new(7);
        let second: Vec<u64> = (0..3).map(|_| again.below(1000) as u64).collect();
        assert_eq!(first, second);
        assert!((0..1000).all(|_| (-3..=3).contains(&random.between(-3, 3))));
    }
}
