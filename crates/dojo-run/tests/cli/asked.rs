//! Questions for the room: who is asked, what ends the wait, and what is revealed at the end. Also what else the room hears of a
//! run, and how it stops one.

#[cfg(unix)]
use crate::pty::Terminal;
use crate::{
    command::{Ended, ORDER, Written, ended, play, scenario},
    fake_dojo::{FakeDojo, Script},
};
use dojo_run::exit;
use serde_json::{Value, json};

/// A scenario that asks one question, for which the room has this long.
fn question(within: &str) -> Written {
    let ask = format!(
        "ask: {{ question: \"How many of ${{run}}'s orders\", answer: 1, choices: [None, 1, 12], because: One is placed., \
         within: {within} }}"
    );
    Written::new(&[&scenario(&[&ask, ORDER])])
}

async fn play_with(written: &Written, dojo: &FakeDojo, args: &[&str]) -> Ended {
    ended(written.command().args(["--target", &dojo.url]).args(args).spawn().unwrap()).await
}

#[tokio::test]
async fn questions_are_skipped_with_one_note_where_nobody_can_answer() {
    let dojo = FakeDojo::start(Script::default()).await;
    for (args, reason) in [
        (&[][..], "stdin is not a terminal"),
        (&["--no-ask"], "of --no-ask"),
        (&["--no-ask", "--run-id", "r-1"], "of --no-ask"),
    ] {
        let ended = play_with(&question("10m"), &dojo, args).await.expect(exit::MET);
        let note = format!("note: the questions are skipped, because {reason}\n");
        assert_eq!(ended.stderr.matches(&note).count(), 1, "{}", ended.stderr);
        assert!(!ended.stderr.contains("How many"), "{}", ended.stderr);
    }
    assert_eq!(dojo.reports(&["asked", "closed", "revealed"]), Vec::<Value>::new());
}

#[tokio::test]
async fn a_question_that_is_closed_on_the_page_is_revealed_with_the_guesses_of_the_room() {
    let script = Script { closes_questions: true, guesses: vec![("12", 2), ("1", 1)], ..Script::default() };
    let dojo = FakeDojo::start(script).await;
    let ended = play_with(&question("10m"), &dojo, &["--run-id", "r-1"]).await.expect(exit::MET);
    for words in [
        "  ? How many of r-1's orders\n    a) None  b) 1  c) 12\n",
        "    closed on the page\n",
        "  ! How many of r-1's orders 1. One is placed. The room: 1 of 3 guesses right (2 × 12, 1 × 1).\n",
    ] {
        assert!(ended.stderr.contains(words), "{words} in\n{}", ended.stderr);
    }
    assert_eq!(
        dojo.reports(&["asked", "closed", "revealed", "ended"]),
        [
            json!({"type": "asked", "number": 1, "text": "How many of r-1's orders", "choices": ["None", "1", "12"]}),
            json!({"type": "closed", "number": 1}),
            json!({"type": "revealed", "number": 1, "answer": "1"}),
            json!({"type": "ended", "verdict": "met"}),
        ]
    );
}

#[tokio::test]
async fn a_question_that_nobody_closes_is_closed_when_time_is_up() {
    let dojo = FakeDojo::start(Script::default()).await;
    let ended = play_with(&question("1s"), &dojo, &["--run-id", "r-1"]).await.expect(exit::MET);
    assert!(ended.stderr.contains("    time is up\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("  ! How many of r-1's orders 1. One is placed.\n"), "{}", ended.stderr);
    assert_eq!(dojo.reports(&["closed"]), [json!({"type": "closed", "number": 1})]);
}

/// Plays a question on a terminal, and types `lines` once it is asked. Returns the last screen.
#[cfg(unix)]
async fn typed(dojo: &FakeDojo, lines: &str) -> String {
    let mut terminal = Terminal::start(&question("10m"), &dojo.url, 120, &[], &[]);
    let is_asked = |rows: &[String]| rows.iter().any(|row| row.contains("type a letter, or Enter alone"));
    terminal.until("the question", is_asked).await;
    terminal.type_in(lines).await;
    let (code, rows) = terminal.ended().await;
    assert_eq!(code, i32::from(exit::MET), "{}", rows.join("\n"));
    rows.join("\n")
}

#[cfg(unix)]
#[tokio::test]
async fn an_answer_is_typed_in_the_terminal_and_a_wrong_one_is_asked_again() {
    let dojo = FakeDojo::start(Script::default()).await;
    let screen = typed(&dojo, "seven\nc\n").await;
    for words in [
        "note: `seven` is not one of the choices; type one of a) None  b) 1  c) 12\n",
        "    your answer: 12\n",
        "One is placed. The terminal said 12: wrong.\n",
    ] {
        assert!(screen.contains(words), "{words} in\n{screen}");
    }
    assert_eq!(dojo.reports(&["closed"]), [json!({"type": "closed", "number": 1, "facilitator": "12"})]);
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_typed_slowly_stays_on_the_screen() {
    let dojo = FakeDojo::start(Script::default()).await;
    let ask = "ask: { question: How many, answer: 1, because: One is placed., within: 10m }";
    let written = Written::new(&[&scenario(&[ORDER, "expect: { action: NOTIFIED, perOrder: 1 }", ask])]);
    let mut terminal = Terminal::start(&written, &dojo.url, 120, &[], &[]);
    terminal.until("the question", |rows| rows.iter().any(|row| row.contains("type a number"))).await;
    for keys in ["tw", "en", "ty"] {
        terminal.type_in(keys).await;
        // Half a second passes, in which bars would be drawn again.
        dojo.until_requests(dojo.lists().len() + 2).await;
    }
    terminal.until("what is typed", |rows| rows.iter().any(|row| row == "twenty")).await;
    terminal.type_in("\n1\n").await;
    let (code, rows) = terminal.ended().await;
    assert_eq!(code, i32::from(exit::MET), "{}", rows.join("\n"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_question_that_quiet_would_hide_is_not_asked() {
    let dojo = FakeDojo::start(Script::default()).await;
    let mut terminal = Terminal::start(&question("10m"), &dojo.url, 120, &["--quiet"], &[]);
    let (code, rows) = terminal.ended().await;
    assert_eq!(code, i32::from(exit::MET), "{}", rows.join("\n"));
    assert_eq!(dojo.reports(&["asked"]), Vec::<Value>::new());
}

#[cfg(unix)]
#[tokio::test]
async fn enter_alone_goes_on_without_an_answer() {
    let dojo = FakeDojo::start(Script::default()).await;
    let screen = typed(&dojo, "\n").await;
    assert!(screen.contains("    no answer from the terminal\n"), "{screen}");
    assert!(!screen.contains("The terminal said"), "{screen}");
}

#[tokio::test]
async fn a_run_that_the_room_stops_ends_in_order_and_plays_nothing_more() {
    let dojo = FakeDojo::start(Script { stops_at: Some(2), ..Script::default() }).await;
    let yaml = scenario(&[ORDER, "pause: 10m"]);
    let ended = Written::new(&[&yaml, &yaml]).play(&dojo.url).await.expect(exit::INTERRUPTED);
    assert!(ended.stdout.contains("error    stopped on the page"), "{}", ended.stdout);
    let failure = json!({"type": "ended", "verdict": "interrupted", "failure": "stopped on the page"});
    assert_eq!((dojo.reports(&["ended"]), dojo.runs().len()), (vec![failure], 1));
}

#[tokio::test]
async fn a_question_is_revealed_also_if_the_run_is_stopped_after_it() {
    let script =
        Script { closes_questions: true, guesses: vec![("12", 1)], stops_at: Some(2), ..Script::default() };
    let dojo = FakeDojo::start(script).await;
    let ask = "ask: { question: How many, answer: 1, because: One is placed., within: 10m }";
    let written = Written::new(&[&scenario(&[ask, "pause: 10m"])]);
    let ended = play_with(&written, &dojo, &["--run-id", "r-1"]).await.expect(exit::INTERRUPTED);
    assert!(ended.stderr.contains("  ! How many 1. One is placed. The room: 0 of 1"), "{}", ended.stderr);
    assert_eq!(dojo.reports(&["revealed"]), [json!({"type": "revealed", "number": 1, "answer": "1"})]);
}

#[tokio::test]
async fn choices_that_become_the_same_are_refused() {
    let dojo = FakeDojo::start(Script::default()).await;
    let yaml =
        "repeat: { times: 2, steps: [{ ask: { question: Which, answer: 1, choices: [\"${i}\", \"1\"] } }] }";
    let ended = play_with(&Written::new(&[&scenario(&[yaml])]), &dojo, &["--run-id", "r-1"]).await;
    let ended = ended.expect(exit::COULD_NOT_RUN);
    let words = "the question has the choice `1` twice (scenario-0.yaml:3:";
    assert!(ended.stdout.contains(words), "{}", ended.stdout);
}

#[tokio::test]
async fn an_event_that_is_refused_costs_no_other_event_and_is_told() {
    let dojo = FakeDojo::start(Script { refuses: Some("b"), ..Script::default() }).await;
    let says = ["a", "b", "c"].map(|text| format!("say: {text}"));
    let ended = play(&dojo.url, &says.each_ref().map(String::as_str)).await.expect(exit::MET);
    let said = dojo.reports(&["said"]);
    assert_eq!(said, ["a", "c"].map(|text| json!({"type": "said", "text": text})));
    let note = "note: the page misses an event of this run: ";
    assert!(ended.stderr.contains(note) && ended.stderr.contains("`text` is refused"), "{}", ended.stderr);
}

#[tokio::test]
async fn the_room_sees_how_much_of_a_pause_has_passed() {
    let dojo = FakeDojo::start(Script::default()).await;
    play(&dojo.url, &["pause: 1600ms"]).await.expect(exit::MET);
    let done: Vec<_> =
        dojo.reports(&["progress"]).iter().map(|event| event["done"].as_u64().unwrap()).collect();
    assert!(done.len() > 1 && done.is_sorted() && done.last() <= Some(&1_600), "{done:?}");
}

#[tokio::test]
async fn the_room_hears_what_is_played_and_found() {
    let dojo = FakeDojo::start(Script::default()).await;
    let steps = [ORDER, "say: Look", "expect: { action: NOTIFIED, perOrder: 1 }"];
    let yaml = format!("lesson: All about Ada.\nseed: 7\n{}", scenario(&steps));
    Written::new(&[&yaml]).play(&dojo.url).await.expect(exit::MET);
    let run = &dojo.runs()[0];
    assert_eq!(
        (&run["lesson"], &run["seed"], &run["file"]),
        (&json!("All about Ada."), &json!(7), &json!("scenario-0.yaml"))
    );
    let told = dojo.reports(&["step", "stepEnded", "said", "finding"]);
    let types: Vec<_> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["step", "stepEnded", "said", "step", "finding", "stepEnded"]);
    assert_eq!((&told[4]["step"], &told[4]["met"]), (&json!(3), &json!(true)));
    let counts = dojo.reports(&["counts"]).pop().unwrap();
    assert_eq!((&counts["orders"], &counts["notified"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn many_steps_are_reported_in_few_requests() {
    let dojo = FakeDojo::start(Script::default()).await;
    let yaml = "repeat: { times: 300, steps: [{ say: \"Round ${i}\" }] }";
    play(&dojo.url, &[yaml]).await.expect(exit::MET);
    let said = dojo.reports(&["said"]);
    assert_eq!((said.len(), &said[299]["text"]), (300, &json!("Round 300")));
    assert!(
        dojo.lists().len() < 10 && dojo.lists().into_iter().all(|events| events <= 200),
        "{:?}",
        dojo.lists()
    );
}
