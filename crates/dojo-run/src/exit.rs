//! The exit codes of the process.

/// Every expectation of every scenario was met.
pub const MET: u8 = 0;
/// The command line is wrong, or names a file that cannot be read. No scenario was played.
pub const COMMAND_LINE: u8 = 1;
/// A scenario cannot be parsed. No scenario was played, not even those that can be parsed.
pub const NOT_PARSED: u8 = 2;
/// A scenario was not played to its end, or it isn't known whether its changes were put back, so it proves nothing.
pub const COULD_NOT_RUN: u8 = 3;
/// An expectation was not met.
pub const NOT_MET: u8 = 4;
/// A signal stopped the run. Every signal has this code, 128 + SIGINT.
pub const INTERRUPTED: u8 = 130;

/// All codes, the gravest first. "Could not run" comes before "not met", because it makes the verdict unknown.
const GRAVEST_FIRST: [u8; 6] = [INTERRUPTED, COMMAND_LINE, NOT_PARSED, COULD_NOT_RUN, NOT_MET, MET];

/// Returns the graver of two codes, to combine those of several scenarios.
pub fn worse(a: u8, b: u8) -> u8 {
    let rank = |code| GRAVEST_FIRST.iter().position(|c| *c == code).unwrap_or(0);
    if rank(b) < rank(a) { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn could_not_run_is_graver_than_not_met_and_an_interruption_is_graver_than_both() {
        assert_eq!(worse(MET, NOT_MET), NOT_MET);
        assert_eq!(worse(COULD_NOT_RUN, NOT_MET), COULD_NOT_RUN);
        assert_eq!(worse(NOT_MET, COULD_NOT_RUN), COULD_NOT_RUN);
        assert_eq!(worse(INTERRUPTED, COULD_NOT_RUN), INTERRUPTED);
        assert_eq!(worse(MET, MET), MET);
    }
}
