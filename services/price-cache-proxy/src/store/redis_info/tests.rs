use super::*;

#[test]
fn memory_replicas_and_role_are_parsed_from_the_response() {
    let info = |max: &str| {
        InfoDict::new(&format!(
            "# Memory\r\nused_memory:1000\r\nmaxmemory:{max}\r\nrole:master\r\nconnected_slaves:2\r\n"
        ))
    };
    let Description { role, measurements } = describe_server(&info("4000"));
    assert_eq!(role.as_deref(), Some("master"));
    let memory = Measurement::new(Measurement::MEMORY_USED, 1000, Measurement::BYTES);
    assert_eq!(measurements, [memory.clone().with_max(4000), Measurement::new("replicas", 2, "replicas")]);
    assert_eq!(describe_server(&info("0")).measurements[0], memory);
    assert_eq!(describe_server(&InfoDict::new("")), Description::default());
}
