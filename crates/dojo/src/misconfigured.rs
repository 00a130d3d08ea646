//! Mistakes in the configuration.

/// A mistake that a person has to correct before another start makes sense. Its exit code is 78, `EX_CONFIG` of sysexits.h. The
/// supervisor doesn't restart a service that ends with it.
#[derive(Debug)]
pub(crate) struct Misconfigured(pub(crate) String);

impl Misconfigured {
    pub(crate) const EXIT_CODE: u8 = 78;
}

impl std::fmt::Display for Misconfigured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misconfigured {}
