//! What the process says to the shell when it ends.

/// Every expectation of every scenario was met.
pub const MET: u8 = 0;
/// The command line is wrong, or names a file that cannot be read. Nothing was played.
pub const COMMAND_LINE: u8 = 1;
/// A scenario cannot be parsed. Nothing was played, not even the scenarios that can.
pub const NOT_PARSED: u8 = 2;
/// A scenario could not be run to its end, or its settings could not be put back: the lesson proves nothing.
pub const COULD_NOT_RUN: u8 = 3;
/// An expectation was not met.
pub const NOT_MET: u8 = 4;
/// Stopped by a signal (128 + SIGINT, whichever signal it was).
pub const INTERRUPTED: u8 = 130;

/// From the gravest to the best. "Could not run" stands above "not met": with it, the verdict as a whole is unknown.
const GRAVEST_FIRST: [u8; 6] = [INTERRUPTED, COMMAND_LINE, NOT_PARSED, COULD_NOT_RUN, NOT_MET, MET];

/// The graver of two codes: what several scenarios together end with.
pub fn worse(a: u8, b: u8) -> u8 {
    let rank = |code| GRAVEST_FIRST.iter().position(|c| *c == code).unwrap_or(0);
    if rank(b) < rank(a) { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_run_hides_what_was_not_met_and_an_interruption_hides_both() {
        assert_eq!(worse(MET, NOT_MET), NOT_MET);
        assert_eq!(worse(COULD_NOT_RUN, NOT_MET), COULD_NOT_RUN);
        assert_eq!(worse(NOT_MET, COULD_NOT_RUN), COULD_NOT_RUN);
        assert_eq!(worse(INTERRUPTED, COULD_NOT_RUN), INTERRUPTED);
        assert_eq!(worse(MET, MET), MET);
    }
}
