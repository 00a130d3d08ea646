//! What a person sees on a terminal: bars, colours, and lines that fit.
#![cfg(unix)]

use crate::{
    command::{ORDER, Written, dojo_run, scenario},
    fake_dojo::{FakeDojo, Script},
    pty::Terminal,
};
use dojo_run::exit;
use std::process::Stdio;

/// A flood of ten seconds, with a pause in its meanwhile.
const LONG: &str = r#"flood: { count: 600, rate: 60/s, order: { customerName: "Guest ${n}", item: Soup, quantity: 1, price: 1 }, meanwhile: [{ pause: 1m }] }"#;
const MET: &str = "expect: { action: NOTIFIED, perOrder: 1, within: 10s }";
const MISSED: &str = "expect: { action: DLQ, atLeast: 1 }";

fn with(rows: &[String], text: &str) -> usize {
    rows.iter().filter(|row| row.contains(text)).count()
}

fn has_all_bars(rows: &[String]) -> bool {
    with(rows, "━") == 2
        && with(rows, "of 600, ") == 1
        && with(rows, "s left") == 1
        && with(rows, "  orders ") == 1
}

#[tokio::test]
async fn a_flood_and_the_pause_in_its_meanwhile_have_a_bar_each_at_80_and_20_columns() {
    let dojo = FakeDojo::start(Script::default()).await;
    let written = Written::new(&[&scenario(&[LONG])]);
    for columns in [80, 20] {
        let mut terminal = Terminal::start(&written, &dojo.url, columns, &[], &[]);
        let rows = terminal.until("two bars", has_all_bars).await;
        assert_eq!((with(&rows, "1/2"), with(&rows, "2/2")), (1, 1), "{}", rows.join("\n"));
        assert!(
            rows.iter().all(|row| console::measure_text_width(row) <= columns.into()),
            "{}",
            rows.join("\n")
        );
    }
}

#[tokio::test]
async fn a_terminal_may_be_resized_while_a_flood_is_sent() {
    let dojo = FakeDojo::start(Script::default()).await;
    let mut terminal = Terminal::start(&Written::new(&[&scenario(&[LONG])]), &dojo.url, 80, &[], &[]);
    terminal.until("two bars", has_all_bars).await;
    for columns in [20, 100] {
        terminal.resize(columns);
        let is_wide = columns == 100;
        let laid_out = |rows: &[String]| {
            has_all_bars(rows)
                && rows.iter().any(|row| row.contains('━') && row.contains("of 600") == is_wide)
        };
        let rows = terminal.until("the other layout", laid_out).await;
        assert_eq!((with(&rows, "1/2"), with(&rows, "2/2")), (1, 1), "{}", rows.join("\n"));
    }
}

#[tokio::test]
async fn expectations_are_green_if_they_are_met_and_red_if_not() {
    let dojo = FakeDojo::start(Script::default()).await;
    let written = Written::new(&[&scenario(&[ORDER, MET, MISSED])]);
    let mut terminal = Terminal::start(&written, &dojo.url, 80, &[], &[]);
    let (code, rows) = terminal.ended().await;
    assert_eq!(code, i32::from(exit::NOT_MET), "{}", rows.join("\n"));
    let colour = |text: &str| {
        let row =
            rows.iter().position(|row| row.contains(text)).unwrap_or_else(|| panic!("{text}: {rows:?}"));
        terminal.screen().cell(row.try_into().unwrap(), 2).unwrap().fgcolor()
    };
    let (green, red) = (vt100::Color::Idx(2), vt100::Color::Idx(1));
    assert_eq!((colour("→ met"), colour("→ not met")), (green, red));
    assert_eq!((colour("met      NOTIFIED"), colour("NOT MET  DLQ")), (green, red));
    assert_eq!(with(&rows, "━"), 0, "no bar stays");
}

/// Whether colours or styles are set.
fn is_coloured(raw: &[u8]) -> bool {
    let text = String::from_utf8_lossy(raw).into_owned();
    text.split("\x1b[")
        .skip(1)
        .any(|code| code.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'))
}

#[tokio::test]
async fn no_color_turns_colours_off_and_leaves_the_bars() {
    let dojo = FakeDojo::start(Script::default()).await;
    let written = Written::new(&[&scenario(&[ORDER, "pause: 500ms", MET])]);
    for (envs, coloured) in [(&[("NO_COLOR", "1")][..], false), (&[], true)] {
        let mut terminal = Terminal::start(&written, &dojo.url, 80, &[], envs);
        terminal.until("a bar", |rows| with(rows, "━") == 1).await;
        assert_eq!(terminal.ended().await.0, i32::from(exit::MET));
        assert_eq!(is_coloured(&terminal.raw), coloured);
    }
}

#[tokio::test]
async fn a_dumb_terminal_gets_a_line_for_each_step_and_no_escape_code() {
    let dojo = FakeDojo::start(Script::default()).await;
    let written = Written::new(&[&scenario(&[ORDER, "pause: 300ms"])]);
    let mut terminal = Terminal::start(&written, &dojo.url, 80, &[], &[("TERM", "dumb")]);
    let (_, rows) = terminal.ended().await;
    assert!(!terminal.raw.contains(&0x1b) && with(&rows, "2/2  pause") == 1, "{}", rows.join("\n"));
}

#[tokio::test]
async fn words_and_wide_characters_are_wrapped_by_the_program_and_not_by_the_terminal() {
    let dojo = FakeDojo::start(Script::default()).await;
    let wide = r#"order: { customerName: "寿司の好きな山田太郎さんと友達", item: "特上にぎり寿司", quantity: 1, price: 1 }"#;
    let say = "say: The customers order more sushi than the kitchen can make 注文が多すぎる";
    let written = Written::new(&[&scenario(&[say, wide, "pause: 400ms", MISSED])]);
    for columns in [20, 33, 80] {
        let mut terminal = Terminal::start(&written, &dojo.url, columns, &[], &[]);
        terminal.until("a bar", |rows| with(rows, "━") == 1).await;
        let (code, rows) = terminal.ended().await;
        assert_eq!(code, i32::from(exit::NOT_MET));
        for (number, row) in (0..).zip(&rows) {
            assert!(!terminal.screen().row_wrapped(number), "{row:?} at {columns} columns");
        }
        assert!(with(&rows, "» The customers") == 1, "{}", rows.join("\n"));
    }
}

#[tokio::test]
async fn a_scenario_cannot_control_the_terminal() {
    let dojo = FakeDojo::start(Script::default()).await;
    let yaml = "name: \"a\\e[31mb\"\nsteps:\n  - say: \"c\\e]0;title\\a\"\n  - { name: \"d\\e[2J\", pause: 300ms }\n";
    let mut terminal = Terminal::start(&Written::new(&[yaml]), &dojo.url, 80, &[], &[]);
    let (code, rows) = terminal.ended().await;
    assert_eq!(code, i32::from(exit::MET), "{}", rows.join("\n"));
    let raw = String::from_utf8_lossy(&terminal.raw).into_owned();
    for code in ["\x1b[31m", "\x1b]0", "\x1b[2J", "\x07"] {
        assert!(!raw.contains(code), "{code:?}");
    }
}

#[tokio::test]
async fn closed_pipes_change_no_exit_code() {
    let dojo = FakeDojo::start(Script::default()).await;
    for (last, code) in [(MET, exit::MET), (MISSED, exit::NOT_MET)] {
        let written = Written::new(&[&scenario(&[ORDER, "say: hello", last])]);
        for force in ["", "1"] {
            let mut command = dojo_run();
            command.current_dir(written.dir()).args(written.names()).args([
                "--target",
                &dojo.url,
                "--verbose",
            ]);
            command.env("CLICOLOR_FORCE", force).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            drop((child.stdout.take(), child.stderr.take()));
            assert_eq!(child.wait().await.unwrap().code(), Some(i32::from(code)));
        }
    }
}
