//! Why something in a store could not be read, in a sentence without secrets.

use std::error::Error;
use std::fmt;
use std::io;

/// A failure of a store. It is the inner error of an [`io::Error`].
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) kind: io::ErrorKind,
    pub(crate) why: String,
}

impl Failed {
    pub(crate) fn new(kind: io::ErrorKind, why: impl Into<String>) -> Self {
        Self { kind, why: why.into() }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Error for Failed {}

impl From<Failed> for io::Error {
    fn from(failed: Failed) -> Self {
        Self::new(failed.kind, failed)
    }
}

/// Says that what lies in a store is not to be had as a file.
pub(crate) fn no_file() -> io::Error {
    Failed::new(io::ErrorKind::Unsupported, "this works on files of this machine alone: download it first").into()
}

/// What is said where something is to be written to a store.
pub(crate) const NOT_WRITTEN_TO: &str =
    "nothing is written to a store: write a file, and upload it once it is verified";

/// Returns whether an error is one of the input itself, of the system or of a store, and not of what it holds.
pub(crate) fn is_of_input(error: &io::Error) -> bool {
    error.raw_os_error().is_some() || error.get_ref().is_some_and(|inner| inner.is::<Failed>())
}

#[cfg(feature = "stores")]
pub(super) use remote::{explained, is_no_range, is_past_the_end};

#[cfg(feature = "stores")]
mod remote {
    use std::error::Error;
    use std::io::ErrorKind;

    use object_store::Error as StoreError;
    use object_store::client::{HttpError, HttpErrorKind};

    use super::Failed;
    use crate::stores::address::{Address, Scheme};

    /// Returns what a failure means. What servers and libraries say of it is not repeated, but for the code of an answer: they repeat
    /// addresses, keys and signatures.
    pub(in crate::stores) fn explained(error: &StoreError, address: &Address) -> Failed {
        let code = code(error);
        let code_is = |names: &[&str]| code.as_deref().is_some_and(|code| names.contains(&code));
        let beside = code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
        let bucket = if address.scheme == Scheme::Az { "container" } else { "bucket" };
        if code_is(&["NoSuchBucket", "ContainerNotFound"]) {
            return Failed::new(ErrorKind::NotFound, format!("there is no {bucket} {}", address.bucket));
        }
        if code_is(&REJECTED) {
            return Failed::new(ErrorKind::PermissionDenied, format!("the credentials are not accepted{beside}"));
        }
        match error {
            StoreError::NotFound { .. } => Failed::new(ErrorKind::NotFound, "there is no such object"),
            StoreError::PermissionDenied { .. } => {
                let why = match address.scheme {
                    Scheme::Http => "the server forbids to read it (403)".to_owned(),
                    _ => format!("there is no permission to read it{beside}"),
                };
                Failed::new(ErrorKind::PermissionDenied, why)
            }
            StoreError::Unauthenticated { .. } => {
                let why = format!("the credentials are not accepted, or none were given{beside}");
                Failed::new(ErrorKind::PermissionDenied, why)
            }
            StoreError::Precondition { .. } | StoreError::NotModified { .. } => replaced(),
            StoreError::InvalidPath { .. } => {
                Failed::new(ErrorKind::InvalidInput, "its key has empty parts, or parts of dots, which are not read")
            }
            _ => other(error, &beside),
        }
    }

    /// Codes of credentials that a store does not take.
    const REJECTED: [&str; 11] = [
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidToken",
        "InvalidClientTokenId",
        "TokenRefreshRequired",
        "AuthorizationHeaderMalformed",
        "AuthFailure",
        "AuthenticationFailed",
        "InvalidAuthenticationInfo",
    ];

    pub(in crate::stores) fn replaced() -> Failed {
        Failed::new(ErrorKind::InvalidData, "the object was replaced while it was read: read it again")
    }

    fn other(error: &StoreError, beside: &str) -> Failed {
        if let Some(http) = chain(error).find_map(|error| error.downcast_ref::<HttpError>()) {
            let root = chain(http).last().map(ToString::to_string).unwrap_or_default();
            return match http.kind() {
                HttpErrorKind::Timeout => Failed::new(ErrorKind::TimedOut, "the server did not answer in time"),
                HttpErrorKind::Connect => {
                    let why = format!("the server cannot be reached: {}", crate::console::without_number(root));
                    Failed::new(ErrorKind::NotConnected, why)
                }
                HttpErrorKind::Interrupted => Failed::new(ErrorKind::UnexpectedEof, SHORT),
                _ if root.contains("end of file") || root.contains("closed") => {
                    Failed::new(ErrorKind::UnexpectedEof, SHORT)
                }
                _ => Failed::new(ErrorKind::InvalidData, "the server's answer is not understood"),
            };
        }
        let text = error.to_string();
        if text.contains("redirect without LOCATION") {
            let why = "the bucket lies in another region: AWS_REGION says which";
            return Failed::new(ErrorKind::InvalidInput, why);
        }
        if let Some(status) = status(&text) {
            let what = match status {
                300..=399 => "redirects to another place",
                401 | 403 => return Failed::new(ErrorKind::PermissionDenied, "the credentials are not accepted"),
                500..=599 | 429 => "fails, also when it is asked again",
                _ => "refuses that",
            };
            return Failed::new(ErrorKind::Other, format!("the server {what} (status {status}{beside})"));
        }
        if text.contains("Content-Length") || text.contains("MissingContentLength") {
            return Failed::new(ErrorKind::InvalidData, "the server does not say how many bytes it has");
        }
        if text.contains("Requested") || text.contains("CONTENT_RANGE") || text.contains("Content-Range") {
            return Failed::new(ErrorKind::InvalidData, "the server answers with another range than was asked for");
        }
        let root = chain(error).last().map(ToString::to_string).unwrap_or_default();
        // Of settings: they name what is missing, and not what was given.
        Failed::new(ErrorKind::Other, format!("it cannot be read: {}", first_line(&root)))
    }

    const SHORT: &str = "the answer is short: the connection was closed before its end";

    fn first_line(text: &str) -> &str {
        text.lines().next().unwrap_or_default()
    }

    /// Returns whether the server has no ranges.
    pub(in crate::stores) fn is_no_range(error: &StoreError) -> bool {
        matches!(error, StoreError::NotSupported { .. }) || error.to_string().contains("non-partial response")
    }

    /// Returns whether there is nothing where a range begins.
    pub(in crate::stores) fn is_past_the_end(error: &StoreError) -> bool {
        let text = error.to_string();
        status(&text) == Some(416) || text.contains("InvalidRange") || text.contains("Wanted range starting at")
    }

    fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
        std::iter::successors(Some(error), |error| (*error).source())
    }

    /// Returns the code that the document of an answer gives.
    fn code(error: &StoreError) -> Option<String> {
        let text = error.to_string();
        let (_, rest) = text.split_once("<Code>")?;
        let (code, _) = rest.split_once("</Code>")?;
        let plain = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        plain.then(|| code.to_owned())
    }

    fn status(text: &str) -> Option<u16> {
        let (_, rest) = text.split_once("status code: ")?;
        rest.get(..3)?.parse().ok()
    }
}

#[cfg(feature = "stores")]
pub(super) use remote::replaced;
