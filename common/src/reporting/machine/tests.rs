use super::*;

fn measurement(measurements: &[Measurement], name: &str) -> Measurement {
    let found = measurements.iter().find(|measurement| measurement.name == name);
    found.unwrap_or_else(|| panic!("{name} is not in {measurements:?}")).clone()
}

#[test]
fn sample_contains_processors_memory_disk_and_open_files() {
    let Sample { machine, process } = sample();
    assert!(!machine.id.is_empty() && !machine.name.is_empty(), "{machine:?}");
    assert!(measurement(&machine.measurements, Measurement::PROCESSORS).value > 0);
    assert!(measurement(&machine.measurements, Measurement::LOAD).value >= 0);
    for name in [Measurement::MEMORY_AVAILABLE, Measurement::DISK_AVAILABLE] {
        let measured = measurement(&machine.measurements, name);
        assert!(measured.max.is_some_and(|max| (1..=max).contains(&measured.value)), "{measured:?}");
    }
    assert!(measurement(&process, Measurement::MEMORY_USED).value > 1024 * 1024);
    assert!(measurement(&process, Measurement::OPEN_FILES).value > 2);
}

#[test]
fn space_of_a_folder_that_does_not_exist_is_unknown() {
    assert_eq!(disk_available(Path::new("/no/such/folder")), None);
}
