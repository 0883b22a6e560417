use super::*;

#[test]
fn file_statistics_are_the_size_with_the_log_and_the_free_disk_space() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.db");
    std::fs::write(&path, [0; 100]).unwrap();
    std::fs::write(folder.path().join("orders.db-wal"), [0; 20]).unwrap();
    let measurements = file_statistics(&path);
    assert_eq!(measurements[0], Measurement::new(Measurement::DATABASE_SIZE, 120, Measurement::BYTES));
    let disk = &measurements[1];
    assert_eq!((disk.name.as_str(), disk.subject.as_deref()), (Measurement::DISK_AVAILABLE, folder.path().to_str()));
}
