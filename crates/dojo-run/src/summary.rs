//! What came of several scenarios: a row for each, however often it was played, and the sums.

use crate::{
    Played, exit,
    player::Audience,
    terminal::{columns_of_stdout, print},
};
use dojo_scenario::{Scenario, scalar::counted};
use std::{
    fmt::Write,
    time::{Duration, Instant},
};

/// The columns of a table that isn't shown on a terminal.
const COLUMNS: usize = 80;
/// The columns of a table beside the names of the scenarios.
const FIGURES: usize = 42;
const LONGEST_NAME: usize = 60;
/// With fewer columns for a name than this, its figures are on a line of their own.
const SHORTEST_NAME: usize = 12;

/// Collects the verdicts of scenarios.
#[derive(Debug)]
pub(crate) struct Summary {
    /// A row for each scenario that was played, in the order in which they were played first.
    rows: Vec<Row>,
    began: Instant,
}

#[derive(Debug, Default, Clone)]
struct Row {
    file: String,
    name: String,
    tally: Tally,
}

/// How often scenarios ended in which way, how long they took, and how many orders they placed.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    met: u64,
    not_met: u64,
    could_not_run: u64,
    interrupted: u64,
    took: Duration,
    orders: u64,
}

impl Summary {
    /// Nothing was played yet.
    pub fn new() -> Self {
        Self { rows: Vec::new(), began: Instant::now() }
    }

    fn add(&mut self, scenario: &Scenario, code: u8, took: Duration, orders: u64) {
        let index = self.rows.iter().position(|row| row.file == scenario.file).unwrap_or_else(|| {
            let (file, name) = (scenario.file.clone(), scenario.name().replace(char::is_control, " "));
            self.rows.push(Row { file, name, tally: Tally::default() });
            self.rows.len() - 1
        });
        self.rows[index].tally.add(code, took, orders);
    }

    /// Prints the table, if more than one scenario was played.
    pub fn print(&self) {
        if let Some(table) = self.table(columns_of_stdout().unwrap_or(COLUMNS)) {
            print(&table);
        }
    }

    /// Returns the table, at most so wide; `None` if fewer than two scenarios were played.
    fn table(&self, columns: usize) -> Option<String> {
        let mut all = Tally::default();
        self.rows.iter().for_each(|row| all.merge(&row.tally));
        if all.times() < 2 {
            return None;
        }
        let longest = self.rows.iter().map(|row| console::measure_text_width(&row.name)).max().unwrap_or(0);
        let name = longest.max("scenario".len()).min(LONGEST_NAME).min(columns.saturating_sub(FIGURES));
        let mut text = String::from("\n");
        if name >= SHORTEST_NAME || name >= longest {
            let _ = writeln!(text, "{:name$}  {:<20}{:>9}{:>11}", "scenario", "verdict", "took", "orders");
        }
        for Row { name: of, tally, .. } in &self.rows {
            let (verdict, took, orders) = (tally.verdict(), seconds(tally.took), tally.orders);
            // Writing into a String cannot fail.
            let _ = if name >= SHORTEST_NAME || name >= longest {
                let of = console::pad_str(of, name, console::Alignment::Left, Some("…"));
                writeln!(text, "{of}  {verdict:<20}{took:>9}{orders:>11}")
            } else {
                let cut = |text: &str| console::truncate_str(text, columns, "…").into_owned();
                let figures = format!("  {verdict}, {took}, {}", counted(orders, "order"));
                writeln!(text, "{}\n{}", cut(of), cut(&figures))
            };
        }
        let _ = writeln!(text, "{}", all.sums());
        Some(text)
    }
}

impl Tally {
    fn add(&mut self, code: u8, took: Duration, orders: u64) {
        let one = match code {
            exit::MET => &mut self.met,
            exit::NOT_MET => &mut self.not_met,
            exit::INTERRUPTED => &mut self.interrupted,
            _ => &mut self.could_not_run,
        };
        *one += 1;
        self.took += took;
        self.orders += orders;
    }

    fn merge(&mut self, other: &Self) {
        self.met += other.met;
        self.not_met += other.not_met;
        self.could_not_run += other.could_not_run;
        self.interrupted += other.interrupted;
        self.took += other.took;
        self.orders += other.orders;
    }

    fn times(&self) -> u64 {
        self.met + self.not_met + self.could_not_run + self.interrupted
    }

    /// Returns the verdict of a scenario that was played once, or how often it was met.
    fn verdict(&self) -> String {
        match (self.times(), self) {
            (1, Self { met: 1, .. }) => "met".to_owned(),
            (1, Self { not_met: 1, .. }) => "not met".to_owned(),
            (1, Self { interrupted: 1, .. }) => "interrupted".to_owned(),
            (1, _) => "could not run".to_owned(),
            (times, Self { met, .. }) => format!("met {met} of {times}"),
        }
    }

    fn sums(&self) -> String {
        let Self { met, not_met, could_not_run, interrupted, took, orders } = self;
        let mut text = format!("{} played: {met} met", self.times());
        for (number, what) in
            [(not_met, "not met"), (could_not_run, "could not run"), (interrupted, "interrupted")]
        {
            if *number > 0 {
                let _ = write!(text, ", {number} {what}");
            }
        }
        format!("{text}; {}, {}", seconds(*took), counted(*orders, "order"))
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

impl Audience for Summary {
    fn begin(&mut self, _: &Scenario) {
        self.began = Instant::now();
    }

    fn end(&mut self, scenario: &Scenario, played: &Played) {
        self.add(scenario, played.exit_code(), self.began.elapsed(), played.orders);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dojo_scenario::Sources;
    use std::{collections::BTreeMap, io};

    fn scenario(file: &str, name: &str) -> Scenario {
        let read = |_: &std::path::Path| Err(io::Error::other("no file"));
        let sources = Sources { read: &read, variables: &BTreeMap::new() };
        let yaml = format!("name: {name}\nsteps: [{{ pause: 1s }}]\n");
        Scenario::parse(file, yaml.as_bytes(), &sources).unwrap()
    }

    fn three() -> Summary {
        let mut summary = Summary::new();
        let (short, long) =
            (scenario("a", "Fraud 詐欺"), scenario("b", &"Orders that overtake one another ".repeat(3)));
        summary.add(&short, exit::MET, Duration::from_millis(3_240), 12);
        summary.add(&long, exit::NOT_MET, Duration::from_secs(95), 100_000);
        summary
    }

    #[test]
    fn one_scenario_needs_no_summary() {
        let mut summary = Summary::new();
        summary.add(&scenario("a", "A"), exit::MET, Duration::ZERO, 1);
        assert_eq!(summary.table(80), None);
    }

    #[test]
    fn a_table_has_a_row_for_each_scenario_and_fits_in_80_columns() {
        let table = three().table(80).unwrap();
        assert_eq!(
            table,
            "
scenario                                verdict                  took     orders
Fraud 詐欺                              met                     3.2 s         12
Orders that overtake one another Orde…  not met                95.0 s     100000
2 played: 1 met, 1 not met; 98.2 s, 100012 orders
"
        );
    }

    #[test]
    fn a_scenario_that_is_played_again_keeps_its_row() {
        let mut summary = three();
        summary.add(&scenario("a", "Fraud 詐欺"), exit::COULD_NOT_RUN, Duration::from_secs(1), 0);
        let table = summary.table(80).unwrap();
        assert!(table.contains("met 1 of 2") && table.lines().count() == 5, "{table}");
        assert!(table.contains("3 played: 1 met, 1 not met, 1 could not run; "), "{table}");
    }

    #[test]
    fn on_a_narrow_terminal_the_figures_are_below_the_name() {
        let table = three().table(20).unwrap();
        assert!(table.contains("\nFraud 詐欺\n  met, 3.2 s, 12 or…\nOrders that overtak…\n"), "{table}");
    }
}
