use super::*;

#[test]
fn file_without_a_folder_is_in_the_current_folder() {
    for (path, folder) in [("orders.db", "."), ("data/orders.db", "data"), ("/orders.db", "/"), ("/", ".")] {
        assert_eq!(folder_of(Path::new(path)), Path::new(folder), "{path}");
    }
}
