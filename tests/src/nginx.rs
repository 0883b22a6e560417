//! nginx with the committed configuration, in front of the services of a test.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    Client,
    environment::required_variable,
    platform::Instance,
    servers::{Port, Process, child_processes, runs_as_root, send_signal, send_signal_to_all},
    wait_until,
};

const START_LIMIT: Duration = Duration::from_secs(20);
const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deployment/nginx");
/// The ports of the committed configuration.
const HTTP_PORT: &str = "listen 8080 ";
const TLS_PORT: &str = "listen 8443 ";

/// Collects the instances and the changes of the configuration before nginx starts.
#[derive(Default)]
pub struct NginxBuilder {
    /// The addresses of the instances of each service.
    instances: BTreeMap<String, Vec<String>>,
    options: Vec<&'static str>,
    is_daemon: bool,
    changes: Vec<(String, String)>,
}

impl NginxBuilder {
    /// Forwards the requests for this service to these instances.
    #[must_use]
    pub fn service<'a>(self, instances: impl IntoIterator<Item = &'a Instance>) -> Self {
        let instances: Vec<_> = instances.into_iter().collect();
        self.addresses(instances[0].name, instances.iter().map(|instance| instance.address()))
    }

    /// Forwards the requests for this service to these addresses. A service without instances and addresses is
    /// unavailable.
    #[must_use]
    pub fn addresses(mut self, service: &str, addresses: impl IntoIterator<Item = String>) -> Self {
        self.instances.insert(service.to_owned(), addresses.into_iter().collect());
        self
    }

    /// Enables an option: a file in `deployment/nginx/options`, by its name without the extension.
    #[must_use]
    pub fn option(mut self, name: &'static str) -> Self {
        self.options.push(name);
        self
    }

    /// Replaces a text of the configuration.
    #[must_use]
    pub fn change(mut self, from: &str, to: &str) -> Self {
        self.changes.push((from.to_owned(), to.to_owned()));
        self
    }

    /// Runs nginx in the background, so that its program can be replaced.
    #[must_use]
    pub fn as_daemon(self) -> Self {
        Self { is_daemon: true, ..self }
    }

    /// Starts nginx, and returns when it answers.
    pub async fn start(self) -> Nginx {
        let configured = self.configure();
        let process = configured.start().await;
        Nginx { process, configured }
    }

    /// Checks the configuration with `nginx -t`. Returns the output.
    pub fn check(self) -> String {
        let configured = self.configure();
        let output = Command::new(program()).args(configured.arguments()).arg("-t").output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "nginx -t: {text}");
        text
    }

    /// Writes a copy of the configuration with the ports and the instances of the test.
    fn configure(self) -> Configured {
        let (folder, port, tls_port) = (TempDir::new().unwrap(), Port::reserve(), Port::reserve());
        let absent = Port::reserve();
        let committed = Path::new(CONFIGURATION);
        for name in ["conf", "enabled", "tls"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut files: Vec<(PathBuf, String)> = Vec::new();
        for entry in std::fs::read_dir(committed.join("conf")).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            files.push((Path::new("conf").join(path.file_name().unwrap()), text));
        }
        for option in &self.options {
            let file = format!("{option}.conf");
            let text = std::fs::read_to_string(committed.join("options").join(&file)).unwrap();
            files.push((Path::new("enabled").join(file), text));
        }
        let upstreams = files.iter_mut().find(|(path, _)| path.ends_with("upstreams.conf")).unwrap();
        upstreams.1 = with_instances(&upstreams.1, &self.instances, &absent.address());
        let mut changes = self.changes;
        changes.push((HTTP_PORT.to_owned(), format!("listen {} ", port.address())));
        if self.options.contains(&"tls") {
            changes.push((TLS_PORT.to_owned(), format!("listen {} ", tls_port.address())));
            create_certificate(&folder.path().join("tls"));
        }
        for (from, to) in &changes {
            assert!(files.iter().any(|(_, text)| text.contains(from)), "the configuration does not contain {from}");
            for (_, text) in &mut files {
                *text = text.replace(from, to);
            }
        }
        for (path, text) in files {
            std::fs::write(folder.path().join(path), text).unwrap();
        }
        Configured { folder, port, tls_port, is_daemon: self.is_daemon, _absent: absent }
    }
}

/// A copy of the configuration with the changes of a test.
struct Configured {
    folder: TempDir,
    port: Port,
    tls_port: Port,
    is_daemon: bool,
    /// The port of the services without instances. No process listens on it.
    _absent: Port,
}

impl Configured {
    /// Starts nginx, and returns when it answers.
    async fn start(&self) -> Process {
        let arguments = self.arguments();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let mut process = Process::start(&program(), &arguments, [("LC_ALL", "C")], self.folder.path(), None);
        let (client, livez) = (Client::new(""), format!("{}/livez", self.port.url()));
        wait_until("nginx answers", START_LIMIT, async || {
            // The first process of a daemon exits with success.
            if let Some(status) = process.exit_status().filter(|status| !(self.is_daemon && status.success())) {
                panic!("nginx exited: {status}\n{}", process.log_tail());
            }
            client.request("GET", &livez).send().await.ok()
        })
        .await;
        process
    }

    fn arguments(&self) -> Vec<String> {
        let folder = self.folder.path().to_str().unwrap();
        let configuration = format!("{folder}/conf/nginx.conf");
        let mut arguments = ["-e", "stderr", "-p", folder, "-c", &configuration].map(str::to_owned).to_vec();
        let mut directives = format!("daemon {};", if self.is_daemon { "on" } else { "off" });
        if runs_as_root() {
            // Another user could not enter the folder of the test.
            directives += " user root;";
        }
        arguments.extend(["-g".to_owned(), directives]);
        arguments
    }

    fn id_file(&self) -> PathBuf {
        self.folder.path().join("nginx.pid")
    }

    /// The id that the newest master process has written to its file.
    fn written_id(&self) -> Option<u32> {
        std::fs::read_to_string(self.id_file()).ok()?.trim().parse().ok()
    }
}

/// A running nginx.
pub struct Nginx {
    /// The process that was started. If nginx runs as a daemon, this process has exited, and the master is another
    /// process.
    process: Process,
    configured: Configured,
}

impl Nginx {
    pub fn builder() -> NginxBuilder {
        NginxBuilder::default()
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.configured.port.url())
    }

    /// The URL of a path with TLS. The certificate is valid for `localhost`.
    pub fn tls_url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.configured.tls_port.number)
    }

    pub fn address(&self) -> String {
        self.configured.port.address()
    }

    /// The certificate of the option `tls`, in PEM.
    pub fn certificate(&self) -> Vec<u8> {
        std::fs::read(self.configured.folder.path().join("tls/certificate.pem")).unwrap()
    }

    /// Kills all processes of nginx, which must not be a daemon.
    pub async fn kill(&mut self) {
        self.process.signal_all("KILL");
        wait_until("nginx ends", START_LIMIT, async || self.process.exit_status()).await;
    }

    /// Starts nginx after [`Nginx::kill`]. Returns when it answers.
    pub async fn start(&mut self) {
        self.process = self.configured.start().await;
    }

    /// Kills all processes of nginx, and starts it again. Returns when it answers.
    pub async fn kill_and_start(&mut self) {
        self.kill().await;
        self.start().await;
    }

    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }

    /// The id of the master process.
    fn master(&self) -> u32 {
        let written = self.configured.is_daemon.then(|| self.configured.written_id().expect("a daemon writes its id"));
        written.unwrap_or(self.process.id())
    }

    /// Makes nginx read its configuration again, and returns when the previous worker processes have exited.
    pub async fn reload(&self) {
        let previous = child_processes(self.master());
        send_signal("HUP", &[self.master()]);
        wait_until("the worker processes of nginx are replaced", START_LIMIT, async || {
            let workers = child_processes(self.master());
            (!workers.is_empty() && previous.iter().all(|worker| !workers.contains(worker))).then_some(())
        })
        .await;
    }

    /// Replaces the program of a daemon: a new master process takes over the port, and the previous master exits after
    /// it has responded to its requests. Requires [`NginxBuilder::as_daemon`], because nginx ignores the signal USR2 in
    /// the foreground.
    pub async fn replace_program(&self) {
        assert!(self.configured.is_daemon, "nginx is no daemon");
        let (previous, previous_file) = (self.master(), self.configured.id_file().with_extension("pid.oldbin"));
        send_signal("USR2", &[previous]);
        wait_until("the new nginx runs", START_LIMIT, async || {
            let id = self.configured.written_id().filter(|id| *id != previous)?;
            (previous_file.exists() && !child_processes(id).is_empty()).then_some(())
        })
        .await;
        send_signal("QUIT", &[previous]);
        // The previous master removes its file when it exits.
        wait_until("the previous nginx ends", START_LIMIT, async || (!previous_file.exists()).then_some(())).await;
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Some(master) = self.configured.written_id().filter(|_| self.configured.is_daemon) {
            let mut processes = child_processes(master);
            processes.push(master);
            send_signal_to_all("KILL", &processes);
        }
    }
}

fn program() -> PathBuf {
    PathBuf::from(required_variable("TEST_NGINX"))
}

/// Replaces the instances of each service by the instances of the test. Each instance of the test has the parameters of
/// the first instance of its service in the configuration.
fn with_instances(text: &str, instances: &BTreeMap<String, Vec<String>>, absent: &str) -> String {
    let (mut result, mut service, mut is_replaced) = (String::new(), "", false);
    let absent = vec![absent.to_owned()];
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("upstream ") {
            (service, is_replaced) = (name.trim_end_matches(" {"), false);
        }
        let Some(server) = line.trim().strip_prefix("server ") else {
            result += line;
            result.push('\n');
            continue;
        };
        let (_, parameters) = server.split_once(' ').expect("an instance has parameters");
        let addresses = instances.get(service).unwrap_or(&absent);
        for address in addresses.iter().filter(|_| !is_replaced) {
            result.extend(["    server ", address, " ", parameters, "\n"]);
        }
        is_replaced = true;
    }
    let unknown = instances.keys().find(|service| !text.contains(&format!("upstream {service} {{")));
    assert_eq!(unknown, None, "this service has no upstream in the configuration");
    result
}

fn create_certificate(folder: &Path) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:false"]);
    openssl.args(["-keyout", "key.pem", "-out", "certificate.pem"]).current_dir(folder);
    let output = openssl.output().unwrap();
    assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
}
