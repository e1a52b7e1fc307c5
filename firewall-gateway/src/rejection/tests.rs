//! Numbers index the figures, labels name them: both agree, and none is there twice.

use super::{Flood, Rejection, UpstreamFailure};

// The figures use the number as an index and `ALL` for the names.
#[test]
fn numbers_and_labels_agree() {
    let mut labels = Vec::new();
    for (number, rejection) in Rejection::ALL.into_iter().enumerate() {
        assert_eq!(rejection as usize, number, "{rejection:?}");
        assert!(rejection.status().is_client_error() || rejection.status().is_server_error());
        assert_ne!(rejection.status(), 500, "{rejection:?}");
        labels.push(rejection.label());
    }
    for (number, failure) in UpstreamFailure::ALL.into_iter().enumerate() {
        assert_eq!(failure as usize, number, "{failure:?}");
    }
    for (number, flood) in Flood::ALL.into_iter().enumerate() {
        assert_eq!(flood as usize, number, "{flood:?}");
    }
    let total = labels.len();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), total);
}
