use crate::fixture::{Orders, answer, pizza};
use dojo_testbed::Kafka;
use reqwest::{Body, Method, StatusCode};
use serde_json::{Value, json};

fn assert_problem(status: StatusCode, problem: &Value, expected: u16, what: &str) {
    assert_eq!(status, expected, "{what}: {problem}");
    assert_eq!(problem["status"], expected, "{what}");
    assert!(problem["detail"].as_str().is_some_and(|d| !d.is_empty()), "{what}: {problem}");
    assert!(problem["errors"].is_array() && problem["title"].is_string(), "{what}: {problem}");
}

#[tokio::test]
async fn every_wrong_body_is_refused_with_a_problem_that_says_why() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let path = format!("/orders/{}", orders.place("Ada").await["id"].as_str().unwrap());
    let deep = "[".repeat(200_000 / 4);
    let wrong: &[(&[u8], u16)] = &[
        (b"", 400),
        (b"{", 400),
        (b"{\"customerName\":\"\xff\"}", 400),
        (br#"{"customerName":"\ud800"}"#, 400),
        (deep.as_bytes(), 400),
        (b"null", 422),
        (b"[]", 422),
        (b"\"text\"", 422),
        (br#"{"quantity":"2"}"#, 422),
        (br#"{"quantity":1e400}"#, 422),
        (br#"{"quantity":1.5}"#, 422),
        (br#"{"price":-1}"#, 422),
        (br#"{"price":1.999}"#, 422),
        (br#"{"item":null}"#, 422),
        (br#"{"customerName":"   "}"#, 422),
        (br#"{"price":{"$serde_json::private::Number":"x"}}"#, 400),
    ];
    for (body, expected) in wrong {
        for (method, path) in [(Method::POST, "/orders"), (Method::PUT, path.as_str())] {
            let request = orders.request(method.clone(), path).header("content-type", "application/json");
            let response = request.body(body.to_vec()).send().await.unwrap();
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            let (status, problem) = answer(response).await;
            let what = format!("{method} {}", String::from_utf8_lossy(&body[..body.len().min(60)]));
            assert_problem(status, &problem, *expected, &what);
        }
    }
    let (status, problem) = orders.send(Method::POST, "/orders", json!({"qty": 1, "price": "9"})).await;
    assert_problem(status, &problem, 422, "several");
    let fields: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["customerName", "item", "quantity", "price"]);
    assert_eq!(orders.get("/orders").await.1.as_array().unwrap().len(), 1);
    orders.stop().await;
}

#[tokio::test]
async fn a_name_without_a_visible_character_or_with_a_control_character_is_refused() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    for (name, why) in [
        ("\u{200b}", "no visible character"),
        ("\u{0}", "control character U+0000"),
        ("Ada\u{1b}[2J", "control character U+001B"),
        ("Ada\nBob", "control character U+000A"),
    ] {
        for field in ["customerName", "item"] {
            let mut order = pizza("Ada");
            order[field] = json!(name);
            let (status, problem) = orders.send(Method::POST, "/orders", order).await;
            assert_problem(status, &problem, 422, name);
            let [error] = &problem["errors"].as_array().unwrap()[..] else { panic!("{problem}") };
            assert_eq!(error["field"], field);
            assert!(error["message"].as_str().unwrap().contains(why), "{error}");
        }
    }
    orders.stop().await;
}

#[tokio::test]
async fn a_number_that_is_out_of_range_is_refused_with_the_range() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let digits = "1234567890".repeat(4);
    for (field, number, range) in [
        ("quantity", "9223372036854775808", "a whole number from 1 to 1000"),
        ("price", "1e400", "dollars from 0 to 100000 with at most 2 decimals"),
        ("price", digits.as_str(), "dollars from 0 to 100000 with at most 2 decimals"),
    ] {
        let mut order = pizza("Ada");
        order[field] = serde_json::from_str(number).unwrap();
        let (status, problem) = orders.send(Method::POST, "/orders", order).await;
        assert_problem(status, &problem, 422, number);
        let [error] = &problem["errors"].as_array().unwrap()[..] else { panic!("{problem}") };
        assert_eq!(error["field"], field);
        assert!(error["message"].as_str().unwrap().contains(range), "{error}");
    }
    orders.stop().await;
}

#[tokio::test]
async fn a_body_of_the_wrong_type_or_size_is_refused() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let post = || orders.request(Method::POST, "/orders");
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let (status, problem) =
            answer(post().header("content-type", kind).body(pizza("Ada").to_string()).send().await.unwrap())
                .await;
        assert_problem(status, &problem, 415, kind);
    }
    let (status, problem) = answer(post().body(pizza("Ada").to_string()).send().await.unwrap()).await;
    assert_problem(status, &problem, 415, "no type");
    let large = format!("{}{}", pizza("Ada"), " ".repeat(64 * 1024));
    let announced = post().header("content-type", "application/json").body(large.clone());
    let (status, problem) = answer(announced.send().await.unwrap()).await;
    assert_problem(status, &problem, 413, "announced");
    let pieces = futures::stream::iter(vec![Ok::<_, std::io::Error>(large)]);
    let chunked = post().header("content-type", "application/json").body(Body::wrap_stream(pieces));
    let (status, problem) = answer(chunked.send().await.unwrap()).await;
    assert_problem(status, &problem, 413, "not announced");
    orders.stop().await;
}

#[tokio::test]
async fn unknown_and_repeated_query_parameters_are_refused_by_name() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    for (path, named) in [
        ("/orders?limt=5", "`limt`"),
        ("/orders?limit=5&limit=6", "`limit`"),
        ("/dlq?after=5", "`after`"),
        ("/events?form=earliest", "`form`"),
        ("/status?verbose", "`verbose`"),
        ("/settings?of=notification-1", "`of`"),
        ("/rules/fraud?version=1", "`version`"),
    ] {
        let (status, problem) = orders.get(path).await;
        assert_problem(status, &problem, 400, path);
        assert!(problem["detail"].as_str().unwrap().contains(named), "{path}: {problem}");
    }
    orders.stop().await;
}

#[tokio::test]
async fn a_member_that_appears_twice_is_refused_by_name() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let body = r#"{"customerName": "Ada", "item": "Pizza", "quantity": 1, "price": 1, "quantity": 500}"#;
    let request = orders.request(Method::POST, "/orders").header("content-type", "application/json");
    let (status, problem) = answer(request.body(body).send().await.unwrap()).await;
    assert_problem(status, &problem, 400, "twice");
    assert_eq!(problem["errors"][0]["field"], "quantity");
    assert_eq!(orders.get("/orders").await.1.as_array().unwrap().len(), 0);
    orders.stop().await;
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_problems_too() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    for path in [
        "/nothing",
        "/orders/",
        "/orders/no-id",
        "/orders/%ff",
        "/orders/1/2",
        "/rules/none",
        "/assets/x",
        "//",
    ] {
        let (status, problem) = orders.get(path).await;
        assert_problem(status, &problem, 404, path);
    }
    for (method, path, allow) in [
        (Method::PATCH, "/orders", "GET,HEAD,POST"),
        (Method::POST, "/orders/x", "GET,HEAD,PUT,DELETE"),
        (Method::DELETE, "/settings", "GET,HEAD,PATCH"),
        (Method::POST, "/", "GET,HEAD"),
    ] {
        let response = orders.request(method, path).send().await.unwrap();
        assert_eq!(response.headers()["allow"], allow, "{path}");
        let (status, problem) = answer(response).await;
        assert_problem(status, &problem, 405, path);
    }
    let options = orders.request(Method::OPTIONS, "/orders").send().await.unwrap();
    assert_eq!(
        (options.status().as_u16(), &options.headers()["allow"]),
        (204, &"GET,HEAD,POST".parse().unwrap())
    );
    let head = orders.request(Method::HEAD, "/orders").send().await.unwrap();
    assert_eq!(head.status(), 200);
    orders.stop().await;
}

#[tokio::test]
async fn a_foreign_host_and_a_foreign_page_are_refused() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    for (host, expected) in
        [("localhost:3001", 200), ("dojo.test", 200), ("evil.example", 403), ("evil.example:3001", 403)]
    {
        let response = orders.request(Method::GET, "/orders").header("host", host).send().await.unwrap();
        assert_eq!(response.status(), expected, "{host}");
        assert!(
            response.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'")
        );
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    }
    let own = orders.url.clone();
    for (name, value, expected) in [
        ("origin", own.as_str(), 201),
        ("origin", "http://evil.example", 403),
        ("origin", "null", 403),
        ("sec-fetch-site", "cross-site", 403),
    ] {
        let request = orders.request(Method::POST, "/orders").header(name, value).json(&pizza("Ada"));
        assert_eq!(request.send().await.unwrap().status(), expected, "{name}: {value}");
    }
    assert_eq!(orders.get("/orders").await.1.as_array().unwrap().len(), 1);
    orders.stop().await;
}
