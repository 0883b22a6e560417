//! A Prometheus with the configuration of `deployment/prometheus`, and promtool.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    client::Client,
    environment::required_variable,
    servers::{Port, Process},
    wait_until,
};

const START_LIMIT: Duration = Duration::from_secs(30);
/// The configured interval of scrapes and evaluations, and the interval in tests.
const INTERVALS: [&str; 2] = ["interval: 15s", "interval: 1s"];

/// The folder of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Runs promtool in `deployment/prometheus`.
pub fn promtool(arguments: &[&str]) -> Output {
    let mut command = Command::new(required_variable("TEST_PROMTOOL"));
    command.args(arguments).current_dir(repository().join("deployment/prometheus")).output().unwrap()
}

/// The paths of the files in a folder of `deployment`, sorted.
pub fn deployment_files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(repository().join("deployment").join(folder)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// One series in the result of a query.
#[derive(Debug, Clone)]
pub struct Sample {
    pub labels: Value,
    pub value: f64,
}

/// A rule, as Prometheus shows it.
#[derive(Debug, Clone)]
pub struct Rule {
    pub name: String,
    pub is_alert: bool,
    pub query: String,
    /// The name of the file without its ending.
    pub file: String,
    pub labels: Value,
    pub annotations: Value,
}

/// A running Prometheus, with its data in a temporary folder.
pub struct Prometheus {
    client: Client,
    port: Port,
    process: Option<Process>,
    folder: TempDir,
}

impl Prometheus {
    /// Starts Prometheus with the deployed configuration and rules. It scrapes these addresses every second instead of
    /// the deployed addresses. Returns when Prometheus is ready.
    pub async fn start(targets: &[String]) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), Port::reserve());
        let source = repository().join("deployment/prometheus");
        let config = fs::read_to_string(source.join("prometheus.yml")).unwrap();
        assert!(config.contains(INTERVALS[0]), "the configured interval is not {}", INTERVALS[0]);
        fs::write(folder.path().join("prometheus.yml"), config.replace(INTERVALS[0], INTERVALS[1])).unwrap();
        for name in ["rules", "targets"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        for file in deployment_files("prometheus/rules") {
            fs::copy(&file, folder.path().join("rules").join(file.file_name().unwrap())).unwrap();
        }
        // JSON is YAML.
        fs::write(folder.path().join("targets/test.yml"), json!([{ "targets": targets }]).to_string()).unwrap();
        let arguments = [
            "--config.file=prometheus.yml".to_owned(),
            "--storage.tsdb.path=data".to_owned(),
            format!("--web.listen-address={}", port.address()),
        ];
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let program = PathBuf::from(required_variable("TEST_PROMETHEUS"));
        let process = Process::start(&program, &arguments, [("LC_ALL", "C")], folder.path(), None);
        let mut prometheus = Self { client: Client::new(""), port, process: Some(process), folder };
        prometheus.wait_until_ready().await;
        prometheus
    }

    async fn wait_until_ready(&mut self) {
        let (request, process) = (self.url("/-/ready"), self.process.as_mut().unwrap());
        wait_until("Prometheus answers", START_LIMIT, async || {
            if let Some(status) = process.exit_status() {
                panic!("Prometheus exited: {status}\n{}", process.log_tail());
            }
            let response = self.client.request("GET", &request).send().await.ok()?;
            response.status().is_success().then_some(())
        })
        .await;
    }

    fn url(&self, path: &str) -> String {
        self.port.url() + path
    }

    async fn data(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let mut url = url::Url::parse(&self.url(path)).unwrap();
        url.query_pairs_mut().extend_pairs(query);
        let response = self.client.get(url.as_str()).await.json(200);
        assert_eq!(response["status"], "success", "{response}");
        response["data"].clone()
    }

    /// Evaluates an expression now. The result must be a vector or a scalar.
    pub async fn query(&self, expression: &str) -> Vec<Sample> {
        let data = self.data("/api/v1/query", &[("query", expression)]).await;
        let number = |value: &Value| value[1].as_str().unwrap().parse().unwrap();
        let result = &data["result"];
        match data["resultType"].as_str().unwrap() {
            "scalar" => vec![Sample { labels: json!({}), value: number(result) }],
            "vector" => {
                let series = result.as_array().unwrap().iter();
                series.map(|entry| Sample { labels: entry["metric"].clone(), value: number(&entry["value"]) }).collect()
            }
            kind => panic!("{expression} is a {kind}"),
        }
    }

    /// Every rule, in the order of the files.
    pub async fn rules(&self) -> Vec<Rule> {
        let data = self.data("/api/v1/rules", &[]).await;
        let groups = data["groups"].as_array().unwrap().iter();
        let rules = groups.flat_map(|group| group["rules"].as_array().unwrap().iter().map(move |rule| (group, rule)));
        let rule = |(group, rule): (&Value, &Value)| Rule {
            name: rule["name"].as_str().unwrap().to_owned(),
            is_alert: rule["type"] == "alerting",
            query: rule["query"].as_str().unwrap().to_owned(),
            file: Path::new(group["file"].as_str().unwrap()).file_stem().unwrap().to_str().unwrap().to_owned(),
            labels: rule["labels"].clone(),
            annotations: rule["annotations"].clone(),
        };
        rules.map(rule).collect()
    }

    /// Stops Prometheus and deletes its folder.
    pub async fn stop(mut self) {
        self.process.take().unwrap().end("TERM").await;
        drop(self.folder);
    }
}

/// The names of metrics and recorded series in an expression, outside of braces and brackets: `up`, and words that
/// begin with `buydesk_`, `buydesk:` or `process_`.
pub fn metric_names(expression: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut word, mut depth) = (String::new(), 0_usize);
    for character in expression.chars().chain([' ']) {
        match character {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 && (character.is_ascii_alphanumeric() || "_:".contains(character)) {
            word.push(character);
        } else {
            let finished = std::mem::take(&mut word);
            if ["buydesk_", "buydesk:", "process_"].iter().any(|prefix| finished.starts_with(prefix))
                || finished == "up"
            {
                names.push(finished);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests;
