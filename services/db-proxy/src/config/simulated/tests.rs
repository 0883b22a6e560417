use std::os::unix::fs::symlink;

use common::config::SettingsFile;

use super::*;

/// The settings of a file with these lines.
fn settings(lines: &str) -> Env {
    let folder = tempfile::tempdir().unwrap();
    let file = SettingsFile::with_path(folder.path().join(".env"));
    std::fs::write(file.path(), lines).unwrap();
    Env::from_file(&file).unwrap()
}

#[test]
fn simulated_orders_never_go_to_the_default_file_of_real_orders() {
    let replaced = |url: &str| {
        let mut env = settings(&format!("DATABASE_URL={url}\n"));
        let replaced = declare_simulated(&mut env);
        env.finish().unwrap();
        (replaced, env.text("DATABASE_URL").unwrap().to_owned())
    };
    // A value in an environment variable is refused and not replaced, because the user has chosen it for this process.
    let refused = |url: &str| {
        let mut env = Env::from_pairs([("DATABASE_URL", url)]);
        assert_eq!(declare_simulated(&mut env), []);
        env.finish().err().map(|error| error.to_string())
    };
    let absolute = format!("sqlite:{}", std::path::absolute("database/data/buydesk.db").unwrap().display());
    let detour = "sqlite:missing/../database/./data/buydesk.db";
    for url in
        [DEFAULT_DATABASE, "sqlite://database/data/buydesk.db", "sqlite:./database/data/buydesk.db", detour, &absolute]
    {
        let expected = (vec![ReplacedSetting::Database], DEFAULT_SIMULATED_DATABASE.to_owned());
        assert_eq!(replaced(url), expected, "{url}");
        let error = refused(url).unwrap();
        assert!(error.contains("DATABASE_URL=") && error.contains(DEFAULT_SIMULATED_DATABASE), "{error}");
    }
    for url in ["sqlite:database/data/other.db", "postgres://u@localhost/database/data/buydesk.db", "sqlite:buydesk.db"]
    {
        assert_eq!(replaced(url), (vec![], url.to_owned()), "{url}");
        assert_eq!(refused(url), None, "{url}");
    }
    assert_eq!(declare_simulated(&mut Env::default()), []);
}

#[test]
fn simulated_false_is_refused_in_the_environment_and_replaced_in_the_file() {
    let mut env = settings("SIMULATED=false\n");
    assert_eq!(declare_simulated(&mut env), [ReplacedSetting::Origin]);
    assert_eq!((env.finish(), env.text("SIMULATED")), (Ok(()), Some("true")));

    let mut env = Env::from_pairs([("SIMULATED", "false")]);
    assert_eq!(declare_simulated(&mut env), []);
    let error = env.finish().unwrap_err().to_string();
    assert!(error.contains("SIMULATED=\"false\"") && error.contains("unset the environment variable"), "{error}");

    let mut env = Env::from_pairs([("SIMULATED", "true")]);
    assert_eq!((declare_simulated(&mut env), env.finish()), (vec![], Ok(())));
}

#[test]
fn links_are_resolved_even_if_their_target_does_not_exist() {
    let folder = tempfile::tempdir().unwrap();
    let root = std::fs::canonicalize(folder.path()).unwrap();
    std::fs::create_dir(root.join("data")).unwrap();
    symlink("data", root.join("folder")).unwrap();
    symlink("data/real.db", root.join("first.db")).unwrap();
    symlink(root.join("first.db"), root.join("second.db")).unwrap();
    symlink("loop.db", root.join("loop.db")).unwrap();
    for name in
        ["data/real.db", "folder/real.db", "first.db", "second.db", "data/../data/real.db", "missing/../data/real.db"]
    {
        assert_eq!(resolve_links(&root.join(name)).unwrap(), root.join("data/real.db"), "{name}");
    }
    assert_eq!(resolve_links(&root.join("data/other.db")).unwrap(), root.join("data/other.db"));
    assert_eq!(resolve_links(&root.join("loop.db")).unwrap(), root.join("loop.db"));
    assert_eq!(resolve_links(&root.join("missing/real.db")).unwrap(), root.join("missing/real.db"));
}
