use clap::Parser;

use super::run_load_command;
use crate::{
    cli::{Arguments, Command},
    client::scripted_service::ScriptedService,
};

#[tokio::test]
async fn report_file_is_not_created_without_confirmation() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let arguments = ["buydesk", "load", "orders", "--report", report.to_str().unwrap()];
    let Command::Load(command) = Arguments::try_parse_from(arguments).unwrap().command else { panic!("{arguments:?}") };
    // This service shows no price, so it is unknown whether it is a demo, and the load needs a confirmation. With
    // `--json`, the user is not asked.
    let client = ScriptedService::start(Vec::new()).client(&[]);
    let error = run_load_command(&client, command, true).await.unwrap_err().to_string();
    assert!(error.contains("Run it with --yes to confirm"), "{error}");
    assert!(!report.exists());
}
