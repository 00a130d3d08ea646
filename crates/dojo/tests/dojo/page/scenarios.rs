//! Scenarios are played from the page, and the room sees the run and guesses at its questions.

use super::{Browser, browser::ENTER};
use crate::process::{Dojo, Start, workspace};
use serde_json::{Value, json};
use tempfile::TempDir;

const QUIZ: &str = r#"name: Quiz
lesson: Six orders of one customer are one too many.
tags: [fraud, short]
steps:
  - ask:
      question: How many alerts do six orders of one customer lead to?
      choices: [None, 1, 6]
      answer: 1
      because: Five orders are within the limit.
      within: 10m
  - say: Mallory orders six pizzas.
  - name: six pizzas
    flood: { count: 6, rate: 20/s, order: { customerName: "Mallory ${run}", item: "Pizza ${n}", quantity: 1, price: 1 } }
  - expect: { action: FRAUD_ALERT, alert: VELOCITY, exactly: 1, within: 20s }
  - expect: { action: NOTIFIED, perOrder: 1, within: 20s }
"#;

const HOSTILE: &str = r#"name: "<img src=x onerror=alert(1)>"
lesson: "<script>alert(2)</script>"
steps:
  - say: "<b>bold</b>"
  - name: "<i>step</i>"
    pause: 1s
  - ask: { question: "<u>How many?</u>", choices: ["<a href=x>one</a>", two], answer: two, within: 1s }
  - order: { customerName: "</li><h1>", item: B, quantity: 1, price: 1, answers: 422 }
"#;

/// A dojo whose folder has these scenarios.
async fn dojo_with(scenarios: &[(&str, &str)]) -> (Dojo, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for (name, yaml) in scenarios {
        std::fs::write(folder.path().join(name).with_extension("yaml"), yaml).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    (Start::new().arg("--scenarios-dir").arg(path).ready().await, folder)
}

impl Browser {
    pub async fn play(&self, scenario: &str) {
        self.wait_for(&format!("[data-scenario={scenario}]")).await;
        self.tab_to(&format!("[data-scenario={scenario}] [data-play]")).await;
        self.press(ENTER).await;
    }

    /// Guesses one of the choices by keyboard.
    async fn choose(&self, choice: &str) {
        self.wait_for(".question[data-open=true]").await;
        self.tab_to(&format!(".question button[value='{choice}']")).await;
        self.press(ENTER).await;
    }

    /// What the page shows of the run, without what differs from browser to browser.
    async fn shown(&self) -> Value {
        let script = "const all = (css) => [...document.querySelectorAll(css)].map((element) => element.textContent.trim()); \
            return ['#run-name', '#run-verdict', '#run-about', '#run-lesson', '#run-said', '#run-counts > li', '.question .asked', \
                '.guesses > li', '#run-findings > li', '#run-steps > li', '#run-texts > li'].map(all)";
        self.js(script, Vec::new()).await
    }

    /// Keeps a screenshot of the view at the width of a laptop and of a phone, light and dark. Nothing may be wider than its box.
    async fn keep_screenshots(&self, name: &str) {
        self.open_view_of("#scenarios").await;
        for (width, height) in [(1280, 900), (390, 844)] {
            self.resize(width, height).await;
            let wide = "const boxes = [...document.querySelectorAll('html, #scenarios, #scenarios *')]; \
                return boxes.filter((box) => box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 1 \
                    && getComputedStyle(box).overflowX !== 'hidden').map((box) => `${box.tagName} ${box.id} ${box.className}`)";
            assert_eq!(self.js(wide, Vec::new()).await, json!([]), "{name} at {width}");
            for scheme in ["light", "dark"] {
                self.prefer(scheme).await;
                self.keep_screenshot(&format!("{name}-{width}-{scheme}.png")).await;
            }
        }
        self.resize(1280, 900).await;
    }
}

#[tokio::test]
async fn a_scenario_is_played_from_the_page_and_each_browser_guesses_once() {
    let Some(browser) = Browser::start().await else { return };
    let (dojo, _folder) = dojo_with(&[("quiz", QUIZ)]).await;
    browser.open(&dojo).await;
    browser.play("quiz").await;
    browser.wait_for(".question[data-open=true]").await;
    browser.keep_screenshots("question").await;
    browser.choose("6").await;
    browser.says(".question [data-f=state]", "Your guess: 6. 1 guess so far.").await;
    browser.says(".guesses", "6  1 guess").await;

    // Another browser joins in the middle, and sees the others' guesses after its own.
    let Some(second) = Browser::start().await else { return };
    second.open(&dojo).await;
    second.says(".question [data-f=state]", "1 guess so far.").await;
    assert_eq!(second.text_of(".guesses").await, "");
    second.choose("1").await;
    second.says(".question [data-f=state]", "Your guess: 1. 2 guesses so far.").await;
    browser.says(".question [data-f=state]", "2 guesses so far.").await;

    // A browser that has forgotten its guess, but not who it is, has no second one.
    let forget = "const kept = JSON.parse(localStorage.getItem('dojo-guesses')); \
        localStorage.setItem('dojo-guesses', JSON.stringify({...kept, guesses: {}}))";
    second.js(forget, Vec::new()).await;
    second.open(&dojo).await;
    second.choose("6").await;
    second.says(".question [data-f=outcome]", "Not counted: ").await;
    second.says(".question [data-f=state]", "2 guesses so far.").await;

    browser.tab_to(".question [data-close]").await;
    browser.press(ENTER).await;
    for browser in [&browser, &second] {
        browser.says("#run-verdict", "met").await;
        browser.says(".question [data-f=answer]", "The answer: 1.").await;
        browser.says("#run-said", "Five orders are within the limit.").await;
    }
    let shown = browser.shown().await;
    assert_eq!(shown[7], json!(["6  1 guess ✗ wrong", "1  1 guess ✓ right"]), "{shown}");
    assert_eq!(shown[8].as_array().unwrap().len(), 2, "{shown}");
    browser.keep_screenshots("run").await;
    assert_eq!(second.shown().await, shown);
    second.open(&dojo).await;
    second.says("#run-verdict", "met").await;
    assert_eq!(second.shown().await, shown, "after the end");
}

#[tokio::test]
async fn two_pages_of_one_browser_are_one_guesser() {
    let Some(browser) = Browser::start().await else { return };
    let (dojo, _folder) = dojo_with(&[("quiz", QUIZ)]).await;
    browser.open(&dojo).await;
    let first = browser.client.window().await.unwrap();
    let second = browser.client.new_window(true).await.unwrap().handle;
    browser.client.switch_to_window(second.clone()).await.unwrap();
    browser.open(&dojo).await;
    // Both pages show the question before either has guessed.
    browser.play("quiz").await;
    for page in [&second, &first] {
        browser.client.switch_to_window(page.clone()).await.unwrap();
        browser.says(".question [data-f=state]", "0 guesses so far.").await;
    }
    browser.choose("6").await;
    browser.says(".question [data-f=state]", "Your guess: 6. 1 guess so far.").await;
    browser.client.switch_to_window(second).await.unwrap();
    browser.says(".question [data-f=state]", "Your guess: 6. 1 guess so far.").await;
    assert_eq!(browser.js("return document.querySelector('.question form').hidden", Vec::new()).await, true);
}

#[tokio::test]
async fn a_shipped_scenario_is_played_while_its_flood_and_what_happens_meanwhile_are_shown() {
    let Some(browser) = Browser::start().await else { return };
    let folder = workspace().join("scenarios");
    let dojo = Start::new().arg("--scenarios-dir").arg(folder.to_str().unwrap()).ready().await;
    browser.open(&dojo).await;
    browser.wait_for("[data-scenario=consumer-group]").await;
    browser.keep_screenshots("scenarios").await;
    browser.play("consumer-group").await;
    browser.choose("Deliveries get faster").await;
    browser.says(".question [data-f=state]", "Your guess: Deliveries get faster.").await;
    browser.keep_screenshots("guessed").await;
    browser.tab_to(".question [data-close]").await;
    browser.press(ENTER).await;
    browser.says("#run-said", "A fourth instance joins").await;
    browser.wait_for("#run-steps progress[value]").await;
    browser.says("#scenarios-news", "plays").await;
    browser.keep_screenshots("flood").await;
    browser.says("#run-verdict", "✓ met").await;
    browser.says(".guesses", "✗ wrong").await;
    browser.keep_screenshots("consumer-group").await;
}

#[tokio::test]
async fn a_number_is_guessed_and_a_run_is_stopped_on_the_page() {
    let Some(browser) = Browser::start().await else { return };
    let long =
        "name: Long\nsteps:\n  - ask: { question: \"How many?\", answer: 7, within: 10m }\n  - pause: 10m\n";
    let (dojo, _folder) = dojo_with(&[("long", long)]).await;
    browser.open(&dojo).await;
    browser.play("long").await;
    browser.wait_for(".question[data-open=true]").await;
    for (typed, said) in [("x", "isn't a number"), ("", "Give a number")] {
        browser.tab_to(".question input").await;
        browser.js("document.activeElement.value = ''", Vec::new()).await;
        browser.press(&format!("{typed}{ENTER}")).await;
        browser.says(".question [data-f=outcome]", said).await;
    }
    browser.press(&format!("7{ENTER}")).await;
    browser.says(".question [data-f=state]", "Your guess: 7. 1 guess so far.").await;

    // Another run isn't played meanwhile.
    browser.play("long").await;
    browser.says("#scenario-outcome", "isn't played").await;
    browser.tab_to("#run-stop").await;
    browser.press(ENTER).await;
    browser.says("#run-verdict", "stopped").await;
    browser.says("#run-failure", "stopped on the page").await;
    browser.wait_for("#run-stop[hidden]").await;
}

#[tokio::test]
async fn texts_of_a_scenario_stay_text_and_its_mistakes_are_shown() {
    let Some(browser) = Browser::start().await else { return };
    let (dojo, _folder) =
        dojo_with(&[("hostile", HOSTILE), ("broken", "name: Broken\nsteps: [{ pauze: 1s }]\n")]).await;
    browser.open(&dojo).await;
    browser.says("[data-scenario=broken] .mistake", "did you mean `pause`?").await;
    assert_eq!(
        browser.js("return document.querySelector('[data-scenario=broken] [data-play]')", Vec::new()).await,
        Value::Null
    );
    browser.play("hostile").await;
    browser.says("#run-verdict", "not met").await;
    browser.says("#run-name", "<img src=x onerror=alert(1)>").await;
    browser.says("#run-findings", "</li><h1>").await;
    let markup = "return document.querySelectorAll('#scenarios :is(img, script, b, i, u, a, h1)').length";
    assert_eq!(browser.js(markup, Vec::new()).await, 0);
    browser.keep_screenshots("run-not-met").await;
}

#[tokio::test]
async fn scenarios_that_are_read_only_have_no_controls() {
    let Some(browser) = Browser::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("quiz.yaml"), QUIZ).unwrap();
    let start = Start::new().arg("--read-only").arg("scenarios").arg("--scenarios-dir");
    let dojo = start.arg(folder.path().to_str().unwrap()).ready().await;
    browser.open(&dojo).await;
    browser.wait_for("[data-scenario=quiz]").await;
    let controls = "return document.querySelectorAll('[data-play], #run-stop, [data-close]').length";
    assert_eq!(browser.js(controls, Vec::new()).await, 0);
}

#[tokio::test]
async fn the_picture_in_the_readme_shows_a_run_and_how_the_room_has_guessed() {
    let Some(browser) = Browser::start().await else { return };
    let folder = workspace().join("scenarios");
    let dojo = Start::embedded().arg("--scenarios-dir").arg(folder.to_str().unwrap()).ready().await;
    browser.open(&dojo).await;
    browser.resize(1280, 900).await;
    browser.play("consumer-group").await;
    browser.wait_for(".question[data-open=true]").await;
    let question = browser.js("const { run, question } = document.querySelector('.question'); return `${run.runId}/questions/${question.number}`", Vec::new()).await;
    let waits = "Nothing, it only waits";
    for guess in [
        waits,
        waits,
        waits,
        "Deliveries get faster",
        "Deliveries get faster",
        "Some customers are notified twice",
    ] {
        let url = format!("{}/runs/{}/guesses", dojo.url, question.as_str().unwrap());
        let guess = json!({"guess": guess, "guesser": uuid::Uuid::new_v4()});
        assert_eq!(dojo.http.post(url).json(&guess).send().await.unwrap().status(), 200, "{guess}");
    }
    browser.choose(waits).await;
    browser.says(".question [data-f=state]", "7 guesses so far.").await;
    browser.tab_to(".question [data-close]").await;
    browser.press(ENTER).await;
    browser.says("#run-said", "A third instance joins").await;
    browser.says("#run-steps li:first-child [data-f=state]", "members").await;
    browser.js("document.activeElement.blur(); document.querySelector('#scenario-list').scrollTop = 0; scrollTo(0, 0)", Vec::new()).await;
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await;
        browser.keep_picture(&format!("scenario-{scheme}.png")).await;
    }
}
