use std::process::Command;

use super::*;

#[test]
fn shell_reads_quoted_word_as_one_unchanged_word() {
    for word in ["invoice-42", "two words", "it's", "", "$HOME", "a\"b", "*", "https://a.example:1/x", "a;b"] {
        let output = Command::new("sh").args(["-c", &format!("printf %s {}", quote(word))]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
    }
    assert_eq!(quote("019ab1c2-0000-7000-8000-000000000001"), "019ab1c2-0000-7000-8000-000000000001");
}
