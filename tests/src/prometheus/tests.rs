use super::metric_names;

#[test]
fn metric_names_are_found_outside_of_labels_and_ranges() {
    let expression = r#"sum by (pool) (rate(buydesk_a_total{b="buydesk_c"}[5m])) / buydesk:d:rate5m or up == 0"#;
    assert_eq!(metric_names(expression), ["buydesk_a_total", "buydesk:d:rate5m", "up"]);
}
