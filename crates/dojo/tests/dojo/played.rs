//! Scenarios that are played through the API of a whole dojo, each by a runner that the order service starts.

use crate::process::{Dojo, Start};
use dojo_testbed::eventually;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

const GUESSED: &str = "
name: Guessed
lesson: One order, one notification.
settings: { failRate: 0, maxRetries: 7 }
steps:
  - say: Ada orders.
  - ask: { question: How many notifications?, answer: 1, within: 5m }
  - order: { customerName: 'Ada ${run}', item: Pizza, quantity: 1, price: 9.50 }
  - expect: { action: NOTIFIED, perOrder: 1, within: 20s }
";

const LONG: &str = "
name: Long
settings: { maxRetries: 7 }
steps:
  - pause: 60s
  - pause: 60s
";

/// A dojo that has these scenarios.
struct Room {
    dojo: Dojo,
    _folder: tempfile::TempDir,
}

impl Room {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("guessed", GUESSED), ("long", LONG), ("wrong", "name: Wrong\nstep: []\n")] {
            std::fs::write(folder.path().join(name).with_extension("yaml"), text).unwrap();
        }
        let dir = folder.path().to_str().unwrap().to_owned();
        let dojo = Start::new().arg("--scenarios-dir").arg(&dir).ready().await;
        Self { dojo, _folder: folder }
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.dojo.http.request(Method::POST, format!("{}{path}", self.dojo.url));
        match request.json(&body).send().await {
            Ok(answer) => (answer.status().as_u16(), answer.json().await.unwrap_or_default()),
            Err(error) => (0, error.to_string().into()),
        }
    }

    /// Plays a scenario, and returns the path of its run.
    async fn play(&self, name: &str) -> String {
        let (status, answer) = self.post(&format!("/scenarios/{name}/play"), json!({})).await;
        assert_eq!(status, 201, "{answer}");
        format!("/runs/{}", answer["runId"].as_str().unwrap())
    }

    /// Waits until the run is as `is` wants it.
    async fn run_is(&self, path: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        eventually(what, async || match self.dojo.ask(path).await? {
            run if is(&run) => Ok(run),
            run => Err(run.to_string()),
        })
        .await
    }

    async fn max_retries(&self) -> Value {
        self.dojo.get("/settings").await["maxRetries"]["value"].clone()
    }
}

/// Returns the process that plays a run (from Linux's `/proc`).
fn runner_of(path: &str) -> Option<u32> {
    let id = path.strip_prefix("/runs/").unwrap();
    let wanted = format!("--run-id\0{id}\0");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&wanted)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_shown_goes_on_over_a_crash_of_the_order_service_to_its_verdict() {
    let room = Room::open().await;
    let list = room.dojo.get("/scenarios").await;
    let listed: Vec<_> = list.as_array().unwrap().iter().map(|one| one["title"].as_str().unwrap()).collect();
    assert_eq!(listed, ["Guessed", "Long", "wrong"]);
    assert!(list[2]["error"].as_str().unwrap().contains("wrong.yaml:2:1: "), "{list}");

    let path = room.play("guessed").await;
    let is_asked = |run: &Value| run["questions"][0]["open"] == true;
    let run = room.run_is(&path, "the question", is_asked).await;
    assert_eq!((&run["scenario"], &run["said"]), (&json!("Guessed"), &json!(["Ada orders."])));
    let number = run["questions"][0]["number"].clone();
    let guesses = format!("{path}/questions/{number}/guesses");
    let guess = json!({"guess": "1", "guesser": Uuid::new_v4()});
    let (status, shown) = room.post(&guesses, guess.clone()).await;
    assert_eq!(status, 200, "{shown}");

    room.dojo.kill_and_wait("order-1").await;
    let run = room.run_is(&path, "the run to be shown again", is_asked).await;
    for member in ["scenario", "lesson", "said", "steps", "questions", "changes"] {
        assert_eq!(run[member], shown[member], "{member}");
    }
    assert_eq!(room.post(&guesses, guess).await.0, 409, "each guesser has one guess");
    let (status, problem) = room.post("/scenarios/long/play", json!({})).await;
    assert!(status == 409 && path.ends_with(problem["run"]["runId"].as_str().unwrap()), "{problem}");

    let (status, run) = room.post(&format!("{path}/questions/{number}/close"), json!({})).await;
    assert_eq!(status, 200, "{run}");
    let run = room.run_is(&path, "the end of the run", |run| run["state"] == "ended").await;
    assert_eq!((&run["verdict"], &run["counts"]["notified"]), (&json!("met"), &json!(1)), "{run}");
    let question = &run["questions"][0];
    assert_eq!(question["guesses"], json!([{"guess": "1", "count": 1}]));
    assert!(question["answer"].is_string(), "{question}");
    assert_ne!(room.max_retries().await, 7, "what the run has changed is put back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_people_who_play_at_once_one_plays_and_anybody_can_stop_it() {
    let room = Room::open().await;
    let (status, problem) = room.post("/scenarios/wrong/play", json!({})).await;
    assert!(
        status == 422 && problem["errors"][0]["field"].as_str().unwrap().ends_with("wrong.yaml:2:1"),
        "{problem}"
    );
    let (one, two) = tokio::join!(
        room.post("/scenarios/long/play", json!({})),
        room.post("/scenarios/guessed/play", json!({}))
    );
    let (won, lost) = if one.0 == 201 { (one, two) } else { (two, one) };
    assert_eq!((won.0, lost.0), (201, 409), "{won:?} {lost:?}");
    assert_eq!(lost.1["run"]["runId"], won.1["runId"]);

    let path = format!("/runs/{}", won.1["runId"].as_str().unwrap());
    room.run_is(&path, "the settings of the run", |run| run["changes"] != json!([])).await;
    let (status, run) = room.post(&format!("{path}/stop"), json!({})).await;
    assert_eq!((status, &run["stopRequested"]), (202, &json!(true)), "{run}");
    let run = room.run_is(&path, "the end of the run", |run| run["state"] == "ended").await;
    assert_eq!(run["verdict"], "interrupted", "{run}");
    assert_ne!(room.max_retries().await, 7);
    assert_eq!(room.post(&format!("{path}/stop"), json!({})).await.0, 410);
    room.play("long").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dojo_that_ends_ends_its_runner() {
    let room = Room::open().await;
    let path = room.play("long").await;
    assert!(runner_of(&path).is_some(), "a process plays the run");
    room.dojo.end().await;
    assert_eq!(runner_of(&path), None, "the order service waits for it");
}
