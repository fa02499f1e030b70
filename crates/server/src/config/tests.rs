//! Tests of the configuration: precedence, refusals, and the documentation's table.

use super::*;

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, text: &str) -> TempFile {
        let path = std::env::temp_dir().join(format!("gnitz-config-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        TempFile(path)
    }

    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(Some(&self.0), [], [])
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn flags_overrule_the_environment_and_it_overrules_the_file() {
    let file = TempFile::new("order", "data = \"/file\"\n[http]\nlisten = \"a:1\"\nmax_requests = 7\n");
    let variables = environment(&[("GNITZ_DATA", "/variable"), ("GNITZ_HTTP", "b:2"), ("HOME", "/x")]);
    let flags = environment(&[("http.listen", "c:3")]);
    let config = Config::load(Some(&file.0), variables.clone(), flags).unwrap();
    assert_eq!(config.data, PathBuf::from("/variable"));
    assert_eq!(config.http.listen, "c:3");
    assert_eq!(config.http.max_requests, 7);
    assert_eq!(config.http.max_body, 64 << 20);
    let named = environment(&[(FILE_VARIABLE, file.0.to_str().unwrap())]);
    assert_eq!(Config::load(None, named, []).unwrap().http.max_requests, 7);
}

#[test]
fn unknown_keys_are_refused_with_place_and_nearest() {
    let file = TempFile::new("unknown", "sync = \"off\"\n[http]\n  max_bdoy = 1\n");
    let error = file.load().unwrap_err();
    assert!(error.place.ends_with(":3:3: http.max_bdoy"), "{error}");
    assert!(error.message.ends_with("the nearest is http.max_body"), "{error}");
    let error = Config::load(None, environment(&[("GNITZ_HTP", "x")]), []).unwrap_err();
    assert_eq!(error.to_string(), "GNITZ_HTP: there is no such setting; the nearest is GNITZ_HTTP");
    let error = Config::load(None, [], environment(&[("log.leve", "x")])).unwrap_err();
    assert!(error.message.ends_with("log.level"), "{error}");
}

#[test]
fn wrong_values_are_refused_with_what_would_be_right() {
    for (key, value, part) in [
        ("http.max_body", "10 bananas", "`64MiB`"),
        ("http.request_timeout", "soon", "`10s`"),
        ("http.max_requests", "0", "count from 1"),
        ("sync", "maybe", "full, normal, off"),
    ] {
        let error = Config::load(None, [], environment(&[(key, value)])).unwrap_err();
        assert!(error.message.contains(part), "{error}");
        assert!(error.place.starts_with("--"), "{error}");
    }
    let error = TempFile::new("syntax", "data = \n").load().unwrap_err();
    assert!(error.place.contains(":1:"), "{error}");
}

#[test]
fn what_is_printed_is_read_back() {
    let flags = environment(&[
        ("http.cors_origins", "https://a.example, https://b.example"),
        ("http.drain_timeout", "1500ms"),
        ("checkpoint_bytes", "1000"),
        ("log.format", "json"),
    ]);
    let config = Config::load(None, [], flags).unwrap();
    let file = TempFile::new("printed", &config.print());
    assert_eq!(file.load().unwrap(), config);
    assert!(config.print().contains("drain_timeout = \"1500ms\""));
}

#[test]
fn names_are_unique_and_defaults_are_what_is_documented() {
    let config = Config::default();
    for (at, setting) in SETTINGS.iter().enumerate() {
        assert_eq!(setting.value(&config), setting.default, "{}", setting.key);
        assert!(SETTINGS[..at].iter().all(|other| other.flag != setting.flag));
        assert!(!setting.meaning.ends_with('.'));
    }
}

/// The table of the documentation is made of [`SETTINGS`]; `GNITZ_BLESS=1` writes it anew.
#[test]
fn the_documentation_has_every_setting() {
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../docs/configuration.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- settings -->\n", "<!-- end of settings -->");
    let (head, rest) = text.split_once(begin).expect("the mark before the table");
    let (table, tail) = rest.split_once(end).expect("the mark after the table");
    let mut wanted = "| key | flag | variable | default | meaning |\n|---|---|---|---|---|\n".to_string();
    for setting in SETTINGS {
        let default = if setting.default.is_empty() { "" } else { &format!("`{}`", setting.default) };
        let row = [
            format!("`{}`", setting.key),
            format!("`--{}`", setting.flag),
            format!("`{}`", setting.variable()),
            default.to_string(),
            setting.meaning.to_string(),
        ];
        wanted.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    if table != wanted && std::env::var_os("GNITZ_BLESS").is_some() {
        std::fs::write(&path, format!("{head}{begin}{wanted}{end}{tail}")).unwrap();
    } else {
        assert_eq!(table, wanted, "run the test again with GNITZ_BLESS=1");
    }
}
