//! What is kept, what is shared, what is put back.

use super::*;

struct Site {
    folder: PathBuf,
    history: History,
}

impl Site {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("seawall-history-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let state = StateFolder::open(&folder.join("state")).expect("a folder");
        Self { history: state.history(), folder }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).expect("written");
        path
    }

    fn config(&self, packet: &str) -> Config {
        let text = format!("interfaces: [{{ name: eth0 }}]\npacket: {{ {packet} }}\n");
        Config::from_bytes(&self.folder.join("seawall.yaml"), text.into_bytes()).expect("valid")
    }

    fn keep(&self, config: &Config) -> u32 {
        self.history.keep(config, "root", "apply", 7).expect("kept")
    }

    fn numbers(&self) -> Vec<u32> {
        self.history.records().iter().map(|record| record.number).collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn the_same_is_kept_once_and_the_oldest_is_forgotten() {
    let site = Site::new("bounds");
    site.write("spam.txt", "203.0.113.0/24\n");
    let config = site.config("deny: { files: [spam.txt] }");
    assert!(!site.history.is_newest(&config));
    assert_eq!((site.keep(&config), site.keep(&config)), (1, 1));
    assert!(site.history.is_newest(&config));
    let copy = |number: u32| fs::metadata(site.history.of(number).join("0")).expect("a copy").ino();
    for number in 2..=20 {
        let other = site.config(&format!(
            "deny: {{ files: [spam.txt] }}, rules: [], limits: {{}}, sets: {{ s{number}: {{}} }}"
        ));
        assert_eq!(site.keep(&other), number);
        assert_eq!(copy(number), copy(number - 1), "an unchanged list is not copied");
    }
    assert_eq!(site.numbers(), (5..=20).collect::<Vec<u32>>());
    fs::write(site.history.of(12).join(RECORD), "{").expect("written");
    assert_eq!(site.numbers().len(), 15, "what is cut off is passed over");
    let error = site.history.record(12).expect_err("cut off").to_string();
    assert!(error.contains("expected the record of a configuration, whole"), "{error}");
    assert!(site.history.record(3).is_err());
}

#[test]
fn lists_are_put_back_and_what_stood_there_stays() {
    let site = Site::new("put-back");
    let spam = site.write("spam.txt", "203.0.113.0/24\n");
    let gone = site.write("gone.txt", "198.51.100.0/24\n");
    let config = site.config("deny: { files: [spam.txt, gone.txt] }");
    let record = site.history.record(site.keep(&config)).expect("a record");
    assert_eq!(site.history.put_back(&record).expect("nothing to do").settle(), [""; 0]);
    fs::write(&spam, "192.0.2.0/24\n").expect("written");
    fs::remove_file(&gone).expect("removed");
    let read = |path: &Path| fs::read_to_string(path).ok();
    // Dropped: everything is as before.
    drop(site.history.put_back(&record).expect("put back"));
    assert_eq!((read(&spam).as_deref(), read(&gone)), (Some("192.0.2.0/24\n"), None));
    let told = site.history.put_back(&record).expect("put back").settle();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(read(&spam).as_deref(), Some("203.0.113.0/24\n"));
    assert_eq!(read(&gone).as_deref(), Some("198.51.100.0/24\n"));
    assert_eq!(read(&site.folder.join("spam.txt.replaced")).as_deref(), Some("192.0.2.0/24\n"));
}
