//! What a flag's field holds, whatever its type.

/// What a flag's field holds, as the values given.
pub trait Values {
    fn values(&self) -> Vec<String>;
}

impl Values for Option<String> {
    fn values(&self) -> Vec<String> {
        self.iter().cloned().collect()
    }
}

impl Values for Vec<String> {
    fn values(&self) -> Vec<String> {
        self.clone()
    }
}

impl Values for bool {
    fn values(&self) -> Vec<String> {
        self.then(|| "true".to_string()).into_iter().collect()
    }
}

impl Values for u8 {
    fn values(&self) -> Vec<String> {
        (*self > 0).then(|| self.to_string()).into_iter().collect()
    }
}
