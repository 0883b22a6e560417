use std::path::Path;

use super::*;

#[test]
fn names_become_versions_and_descriptions() {
    let migrator = migrator(SQLITE);
    let names: Vec<_> = migrator.iter().map(|migration| (migration.version, &*migration.description)).collect();
    assert_eq!(names[..2], [(1, "orders"), (2, "quotes")]);
    assert_eq!(names[3], (4, "price state"));
}

#[test]
fn every_file_is_compiled_in() {
    for (engine, files) in [("postgres", POSTGRES), ("sqlite", SQLITE)] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../database").join(engine);
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        assert_eq!(files.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names, "{engine}");
    }
}
