//! What is tried of the stack, part by part, in this order.

use super::{
    docs, images,
    load::Load,
    stack::{KAFKA_UI, PAGE, SERVICES, Stack, pause, until},
};
use crate::shell::{Cargo, root, run, said};
use anyhow::{Context as _, Result, ensure};
use std::{
    fs,
    net::Ipv4Addr,
    process::Command,
    time::{Duration, Instant},
};

/// One thing that is true of the stack.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn(&Stack<'_>) -> Result<()>,
}

const fn part(name: &'static str, what: &'static str, run: fn(&Stack<'_>) -> Result<()>) -> Part {
    Part { name, what, run }
}

pub(crate) const PARTS: [Part; 13] = [
    part("image", "the image, cold and after a change of the sources", image),
    part("up", "docker compose up, from nothing to ready", up),
    part("scenarios", "every scenario that Docker Compose can play, through the stack", scenarios),
    part("docs", "the commands of WORKSHOP.md and README.md, as they stand there", documented),
    part("scale", "a third notification instance, and back to two", scale),
    part("live", "rules, scenarios and templates, from the save until they are in force", live),
    part("latency", "from a POST to its verdict", latency),
    part("memory", "what the containers hold, after all this", memory),
    part("kill", "each container killed under load", kill),
    part("away", "Kafka away for a minute, and Kafka late", away),
    part("log", "the log outlives `down`, and not `down -v`", log),
    part("tls", "a Kafka with TLS and SASL", tls),
    part("development", "Rust, from the save until it runs", development),
];

const READY_WITHIN: Duration = Duration::from_secs(180);
const SOON: Duration = Duration::from_secs(60);
const COMPILED_WITHIN: Duration = Duration::from_secs(30 * 60);
/// Killed one after another.
const KILLED: [&str; 7] =
    ["notification-1", "fraud", "order", "audit", "kafka", "notification-2", "kafka-ui"];
const MOST_MEMORY_MIB: f64 = 2048.0;
/// Scenarios that add instances, which Docker Compose does itself.
const NEED_SUPERVISOR: [&str; 1] = ["consumer-group.yaml"];

fn image(stack: &Stack<'_>) -> Result<()> {
    let build = || -> Result<(String, Duration)> {
        let begun = Instant::now();
        let output = stack.command(["--progress", "plain", "build"]).output().context("cannot run docker")?;
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        ensure!(output.status.success(), "docker compose build: {text}");
        Ok((text, begun.elapsed()))
    };
    let (_, cold) = build()?;
    stack.edit("crates/dojo-audit/src/line.rs", "\n", "\n//\n")?;
    let (text, warm) = build()?;
    ensure!(text.contains("Compiling dojo-audit"), "a change of the sources was not built: {text}");
    ensure!(!text.contains("Compiling rdkafka"), "a change of the sources builds rdkafka anew: {text}");
    let inspect = |template| stack.docker.says(["image", "inspect", "--format", template, "kafka-dojo"]);
    let bytes: f64 = inspect("{{.Size}}")?.parse()?;
    println!(
        "built in {:.0} s, after a change of the sources in {:.0} s; {:.0} MB",
        cold.as_secs_f32(),
        warm.as_secs_f32(),
        bytes / 1e6
    );
    let user = inspect("{{.Config.User}}")?;
    ensure!(!["", "root", "0"].contains(&user.as_str()), "the image's user is {user:?}");
    for program in ["dojo", "dojo-run"] {
        let run = ["run", "--rm", "--read-only", "--entrypoint", program, "kafka-dojo", "--version"];
        println!("{}", stack.docker.says(run)?);
    }
    Ok(())
}

fn up(stack: &Stack<'_>) -> Result<()> {
    let begun = Instant::now();
    stack.compose("up -d")?;
    stack.ready(READY_WITHIN)?;
    println!("the dojo is ready {:.1} s after `docker compose up`", begun.elapsed().as_secs_f32());
    until("Kafka UI", READY_WITHIN, || kafka_ui(stack))?;
    println!("Kafka UI answers after {:.1} s", begun.elapsed().as_secs_f32());
    let init = stack.inspect("kafka-init", "{{.State.Status}} {{.State.ExitCode}}")?;
    ensure!(init == "exited 0", "kafka-init is {init}");
    only_on_this_machine(stack)?;
    counted(stack)?;
    settable(stack)
}

/// An error unless Kafka UI shows the dojo's topics.
fn kafka_ui(stack: &Stack<'_>) -> Result<()> {
    // Kafka UI's own API, or the page of what stands in for it.
    let topics =
        stack.get(&format!("{KAFKA_UI}/api/clusters/dojo/topics")).or_else(|_| stack.get(KAFKA_UI))?;
    ensure!(topics.contains("orders-dlq"), "it shows {topics}");
    Ok(())
}

/// Every port is this machine's alone.
fn only_on_this_machine(stack: &Stack<'_>) -> Result<()> {
    for service in SERVICES {
        let bindings = "{{range .NetworkSettings.Ports}}{{range .}}{{.HostIp}} {{end}}{{end}}";
        let bound = stack.inspect(service, bindings)?;
        for address in bound.split_whitespace() {
            let address: Ipv4Addr =
                address.parse().with_context(|| format!("{service} listens on {address}"))?;
            ensure!(address.is_loopback(), "{service} can be reached from other machines at {address}");
        }
    }
    Ok(())
}

/// Every service of ours has metrics.
fn counted(stack: &Stack<'_>) -> Result<()> {
    for service in ["order", "notification-1", "notification-2", "fraud", "audit"] {
        let ask = "exec 3<>/dev/tcp/localhost/9100; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3";
        let metrics = said(stack.command(["exec", "--no-TTY", service, "bash", "-c"]).arg(ask))?;
        ensure!(metrics.contains("dojo_"), "{service} has no metrics: {metrics}");
    }
    Ok(())
}

/// Ports and the rate of failures are what `.env` or the environment says.
fn settable(stack: &Stack<'_>) -> Result<()> {
    let set = [("PORT", "3101"), ("KAFKA_PORT", "9192"), ("KAFKA_UI_PORT", "8180"), ("FAIL_RATE", "0.75")];
    let config = said(stack.command(["config"]).envs(set))?;
    for wanted in [
        "published: \"3101\"",
        "published: \"9192\"",
        "published: \"8180\"",
        "HOST://localhost:9192",
        "FAIL_RATE: \"0.75\"",
    ] {
        ensure!(
            config.contains(wanted),
            "{wanted} is not what the variables make of the compose file: {config}"
        );
    }
    Ok(())
}

fn scenarios(stack: &Stack<'_>) -> Result<()> {
    let mut names: Vec<String> = fs::read_dir(stack.folder().join("scenarios"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.retain(|name| name.ends_with(".yaml") && !NEED_SUPERVISOR.contains(&name.as_str()));
    names.sort();
    for name in names {
        let begun = Instant::now();
        let (code, text) = stack.play(&name)?;
        ensure!(code == Some(0), "{name} ended with {code:?}:\n{text}");
        println!("{name}: met, in {:.1} s", begun.elapsed().as_secs_f32());
    }
    Ok(())
}

/// Left out is what stays until Ctrl-C, what wants a registry, the other way of setting up, and what another part does word by word.
fn documented(stack: &Stack<'_>) -> Result<()> {
    const HERE: [&str; 4] = ["curl ", "kcat ", "docker compose ", "docker save "];
    const NOT_HERE: [&str; 4] =
        ["docker compose up", "docker compose pull", "docker compose down", "docker compose down -v"];
    // Adding a process with the API, and removing it, need a supervisor; here the Docker command beside it does it.
    const NEEDS_SUPERVISOR: [&str; 2] =
        ["no supervisor reports to this dojo", "there is no instance notification-3"];
    let mut commands = Vec::new();
    for document in ["WORKSHOP.md", "README.md"] {
        let text = fs::read_to_string(root().join(document)).with_context(|| format!("no {document}"))?;
        commands.extend(docs::commands(&text));
    }
    commands.retain(|command| {
        HERE.iter().any(|program| command.starts_with(program))
            && !NOT_HERE.contains(&command.as_str())
            && !command.contains("compose.dev.yaml")
            && (!command.starts_with("kcat ") || command.contains(" -e"))
    });
    ensure!(commands.len() >= 20, "the documents show only {}", commands.join("; "));
    for command in commands {
        println!("$ {command}");
        let mut shell = stack.command([]);
        // The environment that finds the engine and the project is that of every other command.
        let environment: Vec<_> =
            shell.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
        shell = Command::new("sh");
        shell.args(["-c", &command]).current_dir(stack.folder()).envs(environment);
        let text = said(&mut shell)?;
        let is_refused =
            text.contains("about:blank") && !NEEDS_SUPERVISOR.iter().any(|refusal| text.contains(refusal));
        ensure!(!is_refused, "the dojo refused it: {text}");
    }
    stack.ready(READY_WITHIN).map(drop)
}

fn scale(stack: &Stack<'_>) -> Result<()> {
    let shares = || -> Result<Vec<usize>> {
        let instances = stack.json("/instances")?;
        let all = instances.as_array().context("no list of instances")?;
        let running = all.iter().filter(|i| i["service"] == "notification" && i["state"] == "running");
        let mut shares: Vec<usize> =
            running.map(|i| i["partitions"].as_array().map_or(0, Vec::len)).collect();
        shares.sort_unstable();
        Ok(shares)
    };
    let shared = |wanted: &[usize]| {
        until("the partitions to be shared", SOON, || {
            let shares = shares()?;
            ensure!(shares == wanted, "the shares are {shares:?}");
            Ok(())
        })
    };
    stack.compose("up -d --scale notification-extra=1")?;
    let third = shared(&[1, 1, 1])?;
    stack.compose("up -d --scale notification-extra=0")?;
    let back = shared(&[1, 2])?;
    println!(
        "a third has its share after {:.1} s, two have all after {:.1} s",
        third.as_secs_f32(),
        back.as_secs_f32()
    );
    Ok(())
}

fn live(stack: &Stack<'_>) -> Result<()> {
    const LIMIT: [&str; 2] = ["VELOCITY_LIMIT = 5", "VELOCITY_LIMIT = 8"];
    let version = || -> Result<String> {
        let instances = stack.json("/instances")?;
        let fraud = instances.as_array().and_then(|all| all.iter().find(|i| i["instanceId"] == "fraud-1"));
        Ok(fraud.and_then(|fraud| fraud["ruleVersion"].as_str()).context("fraud has no rule")?.to_owned())
    };
    let save = |old: &str, new: &str, within: Duration| -> Result<Duration> {
        let before = version()?;
        stack.edit("rules/fraud.rhai", old, new)?;
        until("the rule to be in force", within, || {
            ensure!(version()? != before, "it is {before}");
            Ok(())
        })
    };
    let rule = save(LIMIT[0], LIMIT[1], Duration::from_millis(500))?;
    let (code, text) = stack.play("fraud-spam.yaml")?;
    ensure!(code == Some(4), "with another limit the lesson ended with {code:?}:\n{text}");
    stack.edit("scenarios/fraud-spam.yaml", "exactly: 7", "exactly: 4")?;
    let (code, text) = stack.play("fraud-spam.yaml")?;
    ensure!(code == Some(0), "the scenario that was edited ended with {code:?}:\n{text}");
    stack.edit("scenarios/fraud-spam.yaml", "exactly: 4", "exactly: 7")?;
    let back = save(LIMIT[1], LIMIT[0], Duration::from_millis(500))?;

    stack.edit("crates/dojo-orders/templates/page.html", "<h1>Kafka Dojo", "<h1>Our Dojo")?;
    let template = until("the template to be in force", Duration::from_millis(500), || {
        ensure!(stack.get(PAGE)?.contains("Our Dojo"), "the page is the old one");
        Ok(())
    })?;

    // As where a mount tells nothing of changes.
    let mut polling = stack.command(["up", "-d", "fraud"]);
    said(polling.env("RULES_WATCH", "poll"))?;
    stack.ready(SOON)?;
    let polled = save(LIMIT[0], LIMIT[1], Duration::from_secs(2))?;
    save(LIMIT[1], LIMIT[0], Duration::from_secs(2))?;
    stack.compose("up -d fraud")?;
    stack.ready(SOON)?;
    let ms = |time: Duration| time.as_millis();
    println!(
        "in force after the save: a rule {} and {} ms, by polling {} ms, a template {} ms",
        ms(rule),
        ms(back),
        ms(polled),
        ms(template)
    );

    // What a container writes belongs to whom the folder belongs to.
    stack.compose("exec --no-TTY fraud touch rules/written")?;
    let (folder, written) = (stack.owner("rules")?, stack.owner("rules/written")?);
    ensure!(folder == written, "rules belong to {folder}, what a container writes there to {written}");
    Ok(())
}

fn latency(_: &Stack<'_>) -> Result<()> {
    Cargo::new(["bench", "--package", "dojo", "--bench", "dojo", "--locked", "--", "at", PAGE]).run()
}

fn memory(stack: &Stack<'_>) -> Result<()> {
    let (mut all_used, mut all_limits) = (0.0, 0.0);
    for service in SERVICES {
        let container = stack.container(service)?;
        let usage = stack.docker.says(["stats", "--no-stream", "--format", "{{.MemUsage}}", &container])?;
        let (used, limit) = usage
            .split_once(" / ")
            .and_then(|(used, limit)| Some((mib(used)?, mib(limit)?)))
            .context(usage)?;
        println!("{service:<15} {used:>6.0} of {limit:>4.0} MiB");
        all_used += used;
        all_limits += limit;
    }
    println!("{:<15} {all_used:>6.0} of {all_limits:>4.0} MiB", "together");
    ensure!(all_limits <= MOST_MEMORY_MIB, "the containers may take more than {MOST_MEMORY_MIB} MiB");
    Ok(())
}

/// An amount as `docker stats` writes it, such as `12.5MiB`, in MiB.
fn mib(amount: &str) -> Option<f64> {
    let unit = amount.find(|c: char| c.is_ascii_alphabetic())?;
    let number: f64 = amount[..unit].parse().ok()?;
    Some(
        number
            * match &amount[unit..] {
                "B" => 1.0 / 1024.0 / 1024.0,
                "KiB" => 1.0 / 1024.0,
                "MiB" => 1.0,
                "GiB" => 1024.0,
                _ => return None,
            },
    )
}

fn kill(stack: &Stack<'_>) -> Result<()> {
    let load = Load::start(stack);
    for service in KILLED {
        let health = "{{.State.Pid}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}";
        let state = || stack.inspect(service, health);
        let before = state()?;
        let pid = before.split(' ').next().unwrap_or_default();
        // Not `docker kill`: what is ended that way is meant to stay ended. From a container, since the process may be another user's.
        let kill = ["run", "--rm", "--pid=host", images::DEBIAN, "bash", "-c"];
        stack.docker.says(kill.into_iter().chain([&*format!("kill -9 {pid}")]))?;
        let back = until(&format!("{service} to be back"), SOON, || {
            let now = state()?;
            ensure!(!now.starts_with(pid) && now.contains("running"), "it is {now}");
            if service == "kafka-ui" {
                return kafka_ui(stack);
            }
            ensure!(now.ends_with(" healthy"), "it is {now}");
            Ok(())
        })?;
        stack.ready(SOON)?;
        println!("{service}: killed, and healthy after {:.1} s", back.as_secs_f32());
    }
    println!("{} orders under way: every one delivered or given up, and judged", load.settle(stack)?);
    Ok(())
}

fn away(stack: &Stack<'_>) -> Result<()> {
    const AWAY: Duration = Duration::from_secs(60);
    let restarts = || -> Result<Vec<String>> {
        let others = SERVICES.iter().filter(|service| !service.starts_with("kafka"));
        others.map(|service| stack.inspect(service, "{{.Name}} {{.State.StartedAt}}")).collect()
    };
    let before = restarts()?;
    let load = Load::start(stack);
    stack.compose("stop kafka")?;
    let refused = stack.get(&format!("{PAGE}/readyz"));
    ensure!(refused.is_err(), "the order service says that it is ready without Kafka");
    pause(AWAY)?;
    stack.compose("start kafka")?;
    let back = stack.ready(READY_WITHIN)?;
    println!("Kafka away for a minute: all ready {:.1} s after it was started again", back.as_secs_f32());
    ensure!(
        restarts()? == before,
        "a container restarted during the outage: {:?}, before {before:?}",
        restarts()?
    );
    println!("{} orders meanwhile: every one delivered or given up, and judged", load.settle(stack)?);

    let services = "order notification-1 notification-2 fraud audit";
    stack.compose(&format!("stop kafka {services}"))?;
    stack.compose(&format!("up -d --no-deps {services}"))?;
    pause(Duration::from_secs(10))?;
    stack.compose("start kafka")?;
    let late = stack.ready(READY_WITHIN)?;
    println!(
        "Kafka ten seconds later than the services: all ready {:.1} s after its start",
        late.as_secs_f32()
    );
    Ok(())
}

fn log(stack: &Stack<'_>) -> Result<()> {
    let newest = || -> Result<String> { Ok(stack.json("/orders?limit=1")?[0]["id"].to_string()) };
    let before = newest()?;
    ensure!(before != "null", "there are no orders");
    stack.compose("down")?;
    stack.compose("up -d")?;
    stack.ready(READY_WITHIN)?;
    let after = newest()?;
    ensure!(after == before, "the newest order was {before}, and is {after} after `down` and `up`");
    stack.compose("down -v")?;
    stack.compose("up -d")?;
    stack.ready(READY_WITHIN)?;
    let none = newest()?;
    ensure!(none == "null", "after `down -v` and `up` there is an order {none}");
    Ok(())
}

/// A second Kafka on the stack's network, with a certificate of its own and a password.
fn tls(stack: &Stack<'_>) -> Result<()> {
    let secrets = tempfile::tempdir().context("a folder for secrets")?;
    said(Command::new("chmod").arg("777").arg(secrets.path()))?;
    let mount = format!("{}:/etc/kafka/secrets", secrets.path().display());
    let make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=secure -addext subjectAltName=DNS:secure \
                -keyout key.pem -out certificate.pem && cat key.pem certificate.pem > keystore.pem";
    let in_secrets =
        ["run", "--rm", "--volume", &mount, "--workdir", "/etc/kafka/secrets", "--entrypoint", "sh"];
    stack.docker.says(in_secrets.iter().copied().chain(["kafka-dojo", "-c", make]))?;
    let network =
        stack.inspect("order", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}")?;
    let _kafka = secure_kafka(stack, &network, &mount)?;
    let dojo = |password: &str, args: &[&str]| {
        let client = [
            "KAFKA_BROKERS=secure:9094".to_owned(),
            "KAFKA_CONFIG_SECURITY_PROTOCOL=SASL_SSL".to_owned(),
            "KAFKA_CONFIG_SASL_MECHANISM=PLAIN".to_owned(),
            "KAFKA_CONFIG_SASL_USERNAME=dojo".to_owned(),
            format!("KAFKA_CONFIG_SASL_PASSWORD={password}"),
            "KAFKA_CONFIG_SSL_CA_LOCATION=/etc/kafka/secrets/certificate.pem".to_owned(),
        ];
        let mut run = vec!["run", "--network", &network, "--volume", &mount];
        run.extend(client.iter().flat_map(|variable| ["--env", variable]));
        stack.docker.says(run.into_iter().chain(args.iter().copied()))
    };
    until("the secure Kafka", SOON, || dojo("secret", &["--rm", "kafka-dojo", "topics"]))?;
    let refused =
        dojo("guess", &["--rm", "kafka-dojo", "topics"]).err().context("a wrong password was taken")?;
    ensure!(
        format!("{refused:#}").to_lowercase().contains("authentication"),
        "a wrong password: {refused:#}"
    );
    let whole = Container { stack, id: dojo("secret", &["--detach", "--read-only", "kafka-dojo"])? };
    let ready = until("the whole dojo in one container", SOON, || {
        let health = stack.docker.says(["inspect", "--format", "{{.State.Health.Status}}", &whole.id])?;
        ensure!(health == "healthy", "it is {health}");
        Ok(())
    })?;
    println!(
        "topics created over TLS with a password; the dojo on it healthy after {:.1} s",
        ready.as_secs_f32()
    );
    Ok(())
}

/// A container of its own; it goes when dropped.
struct Container<'a> {
    stack: &'a Stack<'a>,
    id: String,
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.stack.docker.says(["rm", "--force", "--volumes", &self.id]) {
            eprintln!("a container is left: {error:#}");
        }
    }
}

/// A Kafka that only takes those who know its certificate and a password.
fn secure_kafka<'a>(stack: &'a Stack<'a>, network: &str, mount: &str) -> Result<Container<'a>> {
    let jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required user_dojo=\"secret\";";
    let settings = [
        "CLUSTER_ID=a2Fma2EtZG9qby1zZWN1cmVk",
        "KAFKA_HEAP_OPTS=-Xms256m -Xmx384m",
        "KAFKA_NODE_ID=1",
        "KAFKA_PROCESS_ROLES=broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS=1@localhost:9093",
        "KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER",
        "KAFKA_LISTENERS=INSIDE://localhost:9092,SECURE://:9094,CONTROLLER://localhost:9093",
        "KAFKA_ADVERTISED_LISTENERS=INSIDE://localhost:9092,SECURE://secure:9094",
        "KAFKA_INTER_BROKER_LISTENER_NAME=INSIDE",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=INSIDE:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT",
        "KAFKA_SSL_KEYSTORE_TYPE=PEM",
        "KAFKA_SSL_KEYSTORE_LOCATION=/etc/kafka/secrets/keystore.pem",
        "KAFKA_SASL_ENABLED_MECHANISMS=PLAIN",
        &format!("KAFKA_LISTENER_NAME_SECURE_PLAIN_SASL_JAAS_CONFIG={jaas}"),
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR=1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR=1",
    ];
    let mut args =
        vec!["run", "--detach", "--network", network, "--network-alias", "secure", "--volume", mount];
    args.extend(settings.iter().flat_map(|setting| ["--env", setting]));
    args.push(images::KAFKA);
    Ok(Container { stack, id: stack.docker.says(args)? })
}

fn development(stack: &Stack<'_>) -> Result<()> {
    const HEALTH: &str = "crates/dojo-orders/src/health.rs";
    stack.compose("down")?;
    stack.develop();
    let begun = Instant::now();
    run(stack.command(["up", "--detach", "--build"]))?;
    stack.ready(COMPILED_WITHIN)?;
    println!("ready after the first build, {:.0} s after `docker compose up`", begun.elapsed().as_secs_f32());
    let started = || stack.inspect("order", "{{.State.StartedAt}}");
    let before = started()?;
    let saved = stack.edit(HEALTH, "\"up\"", "\"up and edited\"")?;
    until("the new line of Rust", COMPILED_WITHIN, || {
        ensure!(stack.get(&format!("{PAGE}/healthz"))?.contains("edited"), "the old line runs");
        Ok(())
    })?;
    println!("a line of Rust runs {:.1} s after its save", saved.elapsed().as_secs_f32());
    stack.ready(READY_WITHIN)?;
    println!("every service runs it {:.1} s after the save", saved.elapsed().as_secs_f32());
    let (code, text) = stack.play("first-order.yaml")?;
    ensure!(code == Some(0), "the first order ended with {code:?}:\n{text}");
    stack.edit(HEALTH, "up and edited\"", "broken")?;
    until("the word that it cannot be built", COMPILED_WITHIN, || {
        ensure!(stack.compose("logs --no-color order")?.contains("== not built"), "nothing is said");
        Ok(())
    })?;
    stack.get(&format!("{PAGE}/healthz")).context("what cannot be built ended what ran")?;
    ensure!(started()? == before, "the container was started again");
    let logs = stack.compose("logs --no-color order")?;
    logs.lines().filter(|line| line.contains("== built")).for_each(|line| println!("{line}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_every_unit() {
        assert_eq!(mib("12.5MiB"), Some(12.5));
        assert_eq!(mib("1.5GiB"), Some(1536.0));
        assert_eq!(mib("512KiB"), Some(0.5));
        assert_eq!(mib("?"), None);
    }

    #[test]
    fn parts_are_called_by_one_name_each() {
        let mut names = PARTS.map(|part| part.name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PARTS.len());
    }
}
