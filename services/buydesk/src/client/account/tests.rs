use super::*;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:7:7::/:\nada:x:1000:1000:Ada,,,:/home/ada:/bin/sh\n";

#[test]
fn account_name_is_read_from_a_variable_or_found_by_the_user_id() {
    let set = |name: &str| Some(name.to_owned());
    assert_eq!(account_name([set("grace"), set("alan")], 1000, PASSWD), set("grace"));
    assert_eq!(account_name([None, set("alan")], 1000, PASSWD), set("alan"));
    assert_eq!(account_name([set(""), set(" ")], 1000, PASSWD), set("ada"));
    assert_eq!(account_name([None, None], 0, PASSWD), set("root"));
    for unknown in [7, 8] {
        assert_eq!(account_name([None, None], unknown, PASSWD), None);
    }
    assert_eq!(account_name([None, None], 1000, ""), None);
}

#[test]
fn option_takes_precedence_over_the_account() {
    assert_eq!(name_or_account(Some("ada".to_owned())).unwrap(), "ada");
}
