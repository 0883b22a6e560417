use super::*;

fn config(pairs: &[(&str, &str)]) -> Result<Option<Config>, String> {
    let mut env = Env::from_pairs(pairs.iter().copied());
    let config = Config::from_env(&mut env);
    env.finish().map(|()| config).map_err(|error| error.to_string())
}

fn with_endpoint(pairs: &[(&str, &str)]) -> Config {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    config(&[&[endpoint], pairs].concat()).unwrap().unwrap()
}

#[test]
fn traces_are_off_by_default() {
    assert!(config(&[]).unwrap().is_none());
    assert!(config(&[("OTEL_TRACES_SAMPLER", "always_on")]).unwrap().is_none());
}

#[test]
fn path_of_traces_is_added_to_the_endpoint() {
    for (endpoint, sent_to) in [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("http://collector/", "http://collector/v1/traces"),
        ("https://collector/otlp/", "https://collector/otlp/v1/traces"),
    ] {
        let config = config(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]).unwrap().unwrap();
        assert_eq!(config.endpoint.as_str(), sent_to);
    }
}

#[test]
fn sampler_is_selected_by_its_name_and_ratio() {
    let default = "ParentBased(TraceIdRatioBased(1.0))";
    for (pairs, sampler) in [
        (&[][..], default),
        (&[("OTEL_TRACES_SAMPLER_ARG", "0.25")], "ParentBased(TraceIdRatioBased(0.25))"),
        (&[("OTEL_TRACES_SAMPLER", "always_off")], "AlwaysOff"),
        (&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")], "TraceIdRatioBased(0.0)"),
        (&[("OTEL_TRACES_SAMPLER", "parentbased_always_on")], "ParentBased(AlwaysOn)"),
    ] {
        assert_eq!(format!("{:?}", with_endpoint(pairs).sampler), sampler);
    }
}

#[test]
fn headers_are_decoded_and_not_printed() {
    let config = with_endpoint(&[("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20abc, x-tenant = shop")]);
    assert_eq!(
        (&config.headers["authorization"], &config.headers["x-tenant"]),
        (&"Bearer abc".parse().unwrap(), &"shop".parse().unwrap())
    );
    assert!(!format!("{config:?}").contains("abc"));
}

#[test]
fn each_invalid_setting_is_named_without_its_secret() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "abc"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "name=abc%00"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "NaN"),
    ] {
        let error = config(&[(name, value)]).unwrap_err();
        assert!(error.contains(&format!("{name}=")), "{error}");
        assert!(!error.contains("abc"), "{error}");
    }
}
