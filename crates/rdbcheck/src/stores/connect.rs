//! A client for each bucket, from the settings of the environment: what the clouds' own tools take, under the same names.

use std::env;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{Certificate, ClientOptions};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use tokio::runtime::{Builder, Runtime};

use super::address::{Address, Scheme};
use super::failed::{Failed, explained};

/// How long a server may take to answer, or to go on, in seconds; unless the environment has another number.
const PATIENCE: u64 = 30;
/// Where the environment has one.
const PATIENCE_NAME: &str = "RDBCHECK_STORE_PATIENCE";
/// How often a request is made at the most, unless `AWS_MAX_ATTEMPTS` has another number.
const ATTEMPTS: usize = 5;

/// How long a server may take to answer, or to go on.
pub(super) fn patience() -> Duration {
    let number = env::var(PATIENCE_NAME).ok().and_then(|text| text.parse().ok()).filter(|seconds| *seconds > 0);
    Duration::from_secs(number.unwrap_or(PATIENCE))
}

/// The threads on which requests run.
fn runtime() -> Result<&'static Runtime, Failed> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| {
        // Another part of the program may have chosen before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("stores").enable_all().build();
        runtime.map_err(|error| format!("no threads for requests: {}", crate::console::reason(&error)))
    });
    made.as_ref().map_err(|why| Failed::new(ErrorKind::Other, why))
}

/// Begins some work on the threads for requests.
pub(super) fn spawn<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<tokio::task::JoinHandle<T>, Failed> {
    Ok(runtime()?.spawn(work))
}

/// Waits for such work; the caller's thread may be one of any other runtime.
pub(super) fn wait<T: Send + 'static>(work: impl Future<Output = Result<T, Failed>> + Send + 'static) -> io::Result<T> {
    let (done, ended) = mpsc::sync_channel(1);
    spawn(async move {
        // Nobody waits for it any more if this fails.
        let _ = done.send(work.await);
    })?;
    let gone = |_| Failed::new(ErrorKind::Other, "the request was given up");
    Ok(ended.recv().map_err(gone)??)
}

/// The clients that were made, each with the settings that it was made of: whoever changes those gets another.
static CLIENTS: Mutex<Vec<(Key, Arc<dyn ObjectStore>)>> = Mutex::new(Vec::new());
/// So many are kept.
const KEPT: usize = 32;

type Key = (Scheme, String, Vec<(String, String)>);

/// Returns a client for the bucket of an address.
pub(super) fn client(address: &Address) -> Result<Arc<dyn ObjectStore>, Failed> {
    if address.bucket.is_empty() {
        return Err(Failed::new(ErrorKind::InvalidInput, "the address names no bucket"));
    }
    let settings = settings(address.scheme)?;
    // What an address of a web server leads to is not the same behind another `?`.
    let bucket = match address.scheme {
        Scheme::Http => format!("{}/{}", address.bucket, address.key),
        _ => address.bucket.clone(),
    };
    let key = (address.scheme, bucket, settings);
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, client)) = clients.iter().find(|(of, _)| *of == key) {
        return Ok(Arc::clone(client));
    }
    // Clients make threads of the runtime do something at once.
    let _inside = runtime()?.enter();
    let client = made(&key).map_err(|error| explained(&error, address))?;
    if address.scheme != Scheme::Http {
        clients.truncate(KEPT - 1);
        clients.insert(0, (key, Arc::clone(&client)));
    }
    Ok(client)
}

/// Returns what the environment says about a kind of store.
fn settings(scheme: Scheme) -> Result<Vec<(String, String)>, Failed> {
    let leads: &[&str] = match scheme {
        Scheme::S3 => &["AWS_"],
        Scheme::Gs => &["GOOGLE_", "STORAGE_EMULATOR_HOST", "SERVICE_ACCOUNT"],
        Scheme::Az => &["AZURE_", "IDENTITY_"],
        Scheme::Http => &[],
    };
    let of_all = [PATIENCE_NAME, "AWS_CA_BUNDLE", "AWS_MAX_ATTEMPTS"];
    let named = |name: &str| leads.iter().any(|lead| name.starts_with(lead)) || of_all.contains(&name);
    let all = env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut settings: Vec<_> = all.filter(|(name, value)| named(name) && !value.is_empty()).collect();
    settings.sort_unstable();
    Ok(settings)
}

/// Returns a setting.
fn get<'s>(settings: &'s [(String, String)], name: &str) -> Option<&'s str> {
    settings.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
}

fn made((scheme, bucket, settings): &Key) -> object_store::Result<Arc<dyn ObjectStore>> {
    let get = |name: &str| get(settings, name);
    let client = |plain: bool| options(plain, get("AWS_CA_BUNDLE"));
    let retry = retry(get("AWS_MAX_ATTEMPTS"));
    // Only an address that says so goes without TLS.
    let is_plain = |endpoint: Option<&str>| endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    let lower = |(name, value): &(String, String)| (name.to_ascii_lowercase(), value.clone());
    Ok(match scheme {
        Scheme::S3 => {
            let plain = is_plain(get("AWS_ENDPOINT_URL_S3").or(get("AWS_ENDPOINT_URL")).or(get("AWS_ENDPOINT")));
            let known = settings.iter().map(lower).filter_map(|(name, value)| Some((name.parse().ok()?, value)));
            let builder = known.fold(AmazonS3Builder::new(), |builder, (key, value): (AmazonS3ConfigKey, _)| {
                builder.with_config(key, value)
            });
            Arc::new(builder.with_bucket_name(bucket).with_client_options(client(plain)?).with_retry(retry).build()?)
        }
        Scheme::Gs => {
            let emulator = get("STORAGE_EMULATOR_HOST").map(|host| match host.contains("://") {
                true => host.to_owned(),
                false => format!("http://{host}"),
            });
            let plain = is_plain(emulator.as_deref().or(get("GOOGLE_BASE_URL")));
            let known = settings.iter().map(lower).filter_map(|(name, value)| Some((name.parse().ok()?, value)));
            let mut builder = known
                .fold(GoogleCloudStorageBuilder::new(), |builder, (key, value): (GoogleConfigKey, _)| {
                    builder.with_config(key, value)
                });
            if let Some(emulator) = emulator {
                builder = builder.with_base_url(&emulator).with_skip_signature(true);
            }
            Arc::new(builder.with_bucket_name(bucket).with_client_options(client(plain)?).with_retry(retry).build()?)
        }
        Scheme::Az => {
            let mut settings = settings.clone();
            settings.extend(connection(get("AZURE_STORAGE_CONNECTION_STRING")));
            let plain = is_plain(self::get(&settings, "AZURE_STORAGE_ENDPOINT"));
            let known = settings.iter().map(lower).filter_map(|(name, value)| {
                let name = match name.as_str() {
                    // As Azure's own tool calls them.
                    "azure_storage_account" => "azure_storage_account_name",
                    "azure_storage_key" => "azure_storage_account_key",
                    name => name,
                };
                Some((name.parse().ok()?, value))
            });
            let builder = known.fold(MicrosoftAzureBuilder::new(), |builder, (key, value): (AzureConfigKey, _)| {
                builder.with_config(key, value)
            });
            let client = client(plain)?;
            Arc::new(builder.with_container_name(bucket).with_client_options(client).with_retry(retry).build()?)
        }
        Scheme::Http => {
            let builder = HttpBuilder::new().with_url(bucket).with_client_options(client(is_plain(Some(bucket)))?);
            Arc::new(builder.with_retry(retry).build()?)
        }
    })
}

/// Returns the settings that stand in a connection string of Azure.
fn connection(text: Option<&str>) -> Vec<(String, String)> {
    let pairs = text.into_iter().flat_map(|text| text.split(';')).filter_map(|pair| pair.split_once('='));
    let named = pairs.filter_map(|(name, value)| {
        let name = match name {
            "AccountName" => "AZURE_STORAGE_ACCOUNT_NAME",
            "AccountKey" => "AZURE_STORAGE_ACCOUNT_KEY",
            "SharedAccessSignature" => "AZURE_STORAGE_SAS_TOKEN",
            "BlobEndpoint" => "AZURE_STORAGE_ENDPOINT",
            _ => return None,
        };
        Some((name.to_owned(), value.to_owned()))
    });
    named.collect()
}

fn options(plain: bool, bundle: Option<&str>) -> object_store::Result<ClientOptions> {
    let patience = patience();
    let options = ClientOptions::new()
        .with_allow_http(plain)
        .with_connect_timeout(patience.min(Duration::from_secs(10)))
        .with_read_timeout(patience)
        // Of a whole answer: how long that is depends on its size.
        .with_timeout_disabled();
    let Some(bundle) = bundle else { return Ok(options) };
    let unusable = |source| object_store::Error::Generic { store: "certificates", source };
    let pem = std::fs::read(bundle).map_err(|error| unusable(Box::new(error)))?;
    Ok(Certificate::from_pem_bundle(&pem)?.into_iter().fold(options, ClientOptions::with_root_certificate))
}

fn retry(attempts: Option<&str>) -> RetryConfig {
    let attempts = attempts.and_then(|text| text.parse().ok()).unwrap_or(ATTEMPTS).clamp(1, 100);
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: attempts - 1,
        retry_timeout: 2 * patience(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_is_taken_apart() {
        let text = "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=a+b/c==;EndpointSuffix=core.windows.net";
        let found = connection(Some(text));
        let expected = [("AZURE_STORAGE_ACCOUNT_NAME", "me"), ("AZURE_STORAGE_ACCOUNT_KEY", "a+b/c==")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(connection(None).is_empty());
    }

    #[test]
    fn attempts_are_bounded() {
        let most =
            [None, Some("1"), Some("3"), Some("x"), Some("0"), Some("100000")].map(|text| retry(text).max_retries);
        assert_eq!(most, [4, 0, 2, 4, 0, 99]);
    }
}
