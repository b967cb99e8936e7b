//! What is true of any report.

use redis_persistence::diagnose::diagnose;
use redis_persistence::servers::{Settings, Target, judge};
use redis_persistence::verify::{Report, Severity, Verdict};

/// Holds a report against itself; no file of the input is larger than `largest`.
pub(crate) fn check_report(report: &Report, largest: u64) {
    let errors = report.findings_by_code.keys().any(|code| code.severity() == Severity::Error);
    assert_eq!(report.verdict == Verdict::Damaged, errors);
    assert_eq!(report.findings_by_code.values().sum::<u64>(), report.findings_total);
    assert!(report.findings.len() as u64 <= report.findings_total);
    for finding in &report.findings {
        assert!(finding.start <= finding.failed_at && finding.failed_at <= largest, "{finding:?}");
        assert!(finding.end.is_none_or(|end| finding.start <= end && end <= largest), "{finding:?}");
        assert!(!finding.message.chars().any(char::is_control), "{finding:?}");
    }
    for part in &report.parts {
        assert!(part.ok_up_to.is_none_or(|end| Some(end) <= part.size), "{part:?}");
        assert!(part.loads_up_to.is_none_or(|end| Some(end) <= part.size), "{part:?}");
        assert!(part.preamble_end.is_none_or(|end| Some(end) <= part.size), "{part:?}");
    }
}

/// What is made of a report beside it: the cause, and what the servers would say. None of it has control characters.
pub(crate) fn check_answers(report: &Report, data: &[u8]) {
    const PART: usize = 64 << 10;
    let (head, tail) = (&data[..data.len().min(PART)], &data[data.len().saturating_sub(PART)..]);
    if let Some(cause) = diagnose(head, tail, report) {
        assert!(!cause.message.is_empty() && !cause.message.chars().any(char::is_control), "{cause:?}");
        assert!(!cause.evidence.iter().any(|line| line.chars().any(char::is_control)), "{cause:?}");
    }
    let settings = Settings::default();
    for target in Target::ALL {
        let loads = judge(report, *target, &settings);
        assert!(!loads.loads || loads.because.is_empty(), "{loads:?}");
        let reasons = loads.because.iter().chain(&loads.skips);
        assert!(reasons.clone().all(|why| !why.message.chars().any(char::is_control)), "{loads:?}");
    }
}
