//! Where figures go: a line for people, or an object for programs.

/// Collects and prints figures.
pub struct Report {
    json: bool,
}

impl Report {
    /// A report in one of the two forms.
    pub fn new(json: bool) -> Report {
        Report { json }
    }

    /// Tells one figure: which benchmark, under which conditions, how much of what unit.
    pub fn figure(&mut self, benchmark: &str, conditions: &[(&str, String)], value: f64, unit: &str) {
        if self.json {
            let conditions: serde_json::Map<String, serde_json::Value> =
                conditions.iter().map(|(name, value)| (name.to_string(), value.as_str().into())).collect();
            let object = serde_json::json!({
                "benchmark": benchmark, "conditions": conditions, "value": value, "unit": unit,
            });
            println!("{object}");
        } else {
            let conditions: Vec<String> =
                conditions.iter().map(|(name, value)| format!("{name} {value}")).collect();
            println!("{benchmark:<28} {:<44} {:>14} {unit}", conditions.join(", "), readable(value));
        }
    }
}

fn readable(value: f64) -> String {
    if value >= 1000.0 { crate::measure::grouped(value.round() as u64) } else { format!("{value:.3}") }
}
