//! Runs the code of function libraries as servers do while they load it: Lua 5.1 with the little that is there at that moment.
//!
//! ```text
//! globals     redis, and server on Valkey from 8.0 on: one table, read only
//! its fields  register_function, log, LOG_*, REDIS_VERSION, REDIS_VERSION_NUM; on Valkey SERVER_NAME, VALKEY_VERSION*
//! else        an error: reading what is not there, writing anything. No library of Lua, but for the methods of strings
//! ```
//!
//! The code is a stranger's. It gets 64 MiB, 10 million instructions or the time that so many take, and no way to files, time,
//! environment or process. What it needs beyond that, what could run long without a step (patterns), and what takes long to compile
//! is answered with "not proven". What is done for it in Rust counts as steps, too.
//!
//! Source: `FUNCTION LOAD` of some 90 libraries on Redis 7.0.15 to 8.6.3 and Valkey 8.0.1 to 9.1.2; `tests/functions.rs` asks
//! them again.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use mlua::chunk::ChunkMode;
use mlua::{Error, Function, HookTriggers, Lua, LuaOptions, LuaString, MultiValue, StdLib, Table, Value, VmState};
use redis_persistence::functions::{Api, Proof, Prove, Proven, Prover, Version};

/// Bytes that Lua may use.
const MEMORY: usize = 64 << 20;
/// Instructions that a library may run.
const STEPS: u64 = 10_000_000;
/// Instructions between two looks at the clock: the longest of them copies a string as large as the memory.
const STRIDE: u32 = 16;

/// What a microsecond of the processor counts as. Usual code runs as many instructions in it; code that moves great strings runs few.
const STEPS_A_MICROSECOND: u64 = 50;

/// Bytes of source that are compiled in the time of a step.
const SOURCE_A_STEP: u64 = 1;
/// Ways out of a loop or an `if` whose list the compiler passes over in the time of a step. It does so anew for each of them.
const EXITS_A_STEP: u64 = 10;

/// Bytes that the names of a library's functions may take.
const NAMES: usize = 1 << 20;
/// What each of them takes besides its text.
const NAME: usize = 64;

/// As much of a text of the code is shown.
const SHOWN: usize = 80;
/// As much of a message is kept.
const MESSAGE: usize = 300;

/// Methods of strings that take no more time than the memory they fill.
const METHODS: [&str; 10] = ["byte", "char", "dump", "format", "len", "lower", "rep", "reverse", "sub", "upper"];
/// Methods that match patterns, whose time nothing bounds.
const PATTERNS: [&str; 5] = ["find", "gfind", "gmatch", "gsub", "match"];

/// Flags of a function.
const FLAGS: [&str; 5] = ["no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"];

/// Proves libraries by running them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lua51;

/// Returns the one that all of a process ask.
#[must_use]
pub fn prover() -> Prover {
    static ONE: OnceLock<Prover> = OnceLock::new();
    ONE.get_or_init(|| Prover::new(Arc::new(Lua51))).clone()
}

impl Prove for Lua51 {
    fn load(&self, code: &[u8], api: Api, most: u64) -> Proven {
        proven(most, |run| load(code, api, run))
    }

    fn compile(&self, script: &[u8], most: u64) -> Proven {
        proven(most, |run| {
            run.spend(to_compile(script))?;
            let lua = machine(run)?;
            // Servers put a script into a function of its own, so that what closes one early does not compile.
            let text = [b"return function(...) ", script, b"\nend"].concat();
            Ok(match lua.load(text).set_mode(ChunkMode::Text).set_name("=script").into_function() {
                Ok(_) => Proof::Loads(Vec::new()),
                Err(error) => run.failed("it does not compile", &error),
            })
        })
    }
}

fn proven(most: u64, work: impl FnOnce(&Rc<Run>) -> mlua::Result<Proof>) -> Proven {
    let run = Rc::new(Run::new(most.min(STEPS)));
    let proof = work(&run).unwrap_or_else(|error| run.unproven(&error.to_string()));
    let steps = run.steps.get().max(run.clock.micros().saturating_mul(STEPS_A_MICROSECOND));
    Proven { proof, steps, everywhere: !run.looked.get() }
}

/// Returns what compiling costs. The compiler of Lua 5.1 walks over all ways out of a loop, or of an `if`, at each further
/// one.
fn to_compile(code: &[u8]) -> u64 {
    let exits = [&b"break"[..], b"elseif"].map(|word| code.windows(word.len()).filter(|at| *at == word).count() as u64);
    let [breaks, branches] = exits;
    code.len() as u64 / SOURCE_A_STEP + (breaks * breaks + branches * branches) / (2 * EXITS_A_STEP)
}

/// The time that the processor spends on this thread: on a busy machine the code is not to blame for more.
struct Clock {
    start: Instant,
    cpu: Duration,
}

impl Clock {
    fn start() -> Self {
        Self { start: Instant::now(), cpu: cpu_time() }
    }

    /// Microseconds since the start. The clock of the processor is asked only if the other one shows that many.
    fn micros_beyond(&self, most: u64) -> bool {
        self.start.elapsed() > Duration::from_micros(most) && self.micros() > most
    }

    fn micros(&self) -> u64 {
        u64::try_from(cpu_time().saturating_sub(self.cpu).as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(unix)]
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(not(unix))]
fn cpu_time() -> Duration {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed()
}

/// What is known of a run while it lasts.
struct Run {
    clock: Clock,
    steps: Cell<u64>,
    /// How many of them it may take.
    most: u64,
    names: RefCell<BTreeSet<Vec<u8>>>,
    /// What these take.
    name_bytes: Cell<usize>,
    /// Why the run was given up, if it was not the code's own fault.
    given_up: RefCell<Option<&'static str>>,
    /// Whether the code did what ends the server.
    dies: Cell<bool>,
    /// Whether the code looked at what tells servers apart.
    looked: Cell<bool>,
}

impl Run {
    fn new(most: u64) -> Self {
        Self {
            clock: Clock::start(),
            steps: Cell::new(0),
            most,
            names: RefCell::default(),
            name_bytes: Cell::new(0),
            given_up: RefCell::default(),
            dies: Cell::new(false),
            looked: Cell::new(false),
        }
    }

    fn give_up(&self, why: &'static str) -> Error {
        self.given_up.borrow_mut().get_or_insert(why);
        Error::runtime(why)
    }

    /// Counts steps, and ends the run beyond what it may take.
    fn spend(&self, steps: u64) -> mlua::Result<()> {
        self.steps.set(self.steps.get().saturating_add(steps));
        if self.steps.get() > self.most || self.clock.micros_beyond(self.most / STEPS_A_MICROSECOND) {
            return Err(self.give_up("it runs too long"));
        }
        Ok(())
    }

    /// Takes the name of a function.
    fn register(&self, name: Vec<u8>) -> mlua::Result<()> {
        self.name_bytes.set(self.name_bytes.get().saturating_add(name.len() + NAME));
        if self.name_bytes.get() > NAMES {
            return Err(self.give_up("the names of its functions are too long"));
        }
        let shown = shown(&name);
        if self.names.borrow_mut().insert(name) {
            return Ok(());
        }
        Err(Error::runtime(format!("it registers the function \"{shown}\" twice")))
    }

    fn unproven(&self, error: &str) -> Proof {
        let given_up = *self.given_up.borrow();
        Proof::Unproven(given_up.map_or_else(|| format!("Lua says {error}"), str::to_owned))
    }

    /// Returns what an error means.
    fn failed(&self, what: &str, error: &Error) -> Proof {
        if self.dies.get() {
            return Proof::Crashes("it writes to the log while it is loaded".to_owned());
        }
        if self.given_up.borrow().is_some() {
            return self.unproven("");
        }
        match cause(error) {
            Error::MemoryError(_) => Proof::Unproven(format!("it needs more than {} MiB", MEMORY >> 20)),
            error => {
                let text = error.to_string();
                let line = text.lines().next().unwrap_or_default();
                let line = line.trim_start_matches("runtime error: ").trim_start_matches("syntax error: ");
                let line: String = line.chars().take(MESSAGE).collect();
                Proof::Refuses(format!("{what}: {line}"))
            }
        }
    }
}

/// Finds the error below those that Lua wraps around it.
fn cause(mut error: &Error) -> &Error {
    while let Error::CallbackError { cause, .. } = error {
        error = cause;
    }
    error
}

/// Returns the beginning of a text, escaped.
fn shown(text: &[u8]) -> String {
    text[..text.len().min(SHOWN)].escape_ascii().to_string()
}

/// Makes a machine within the limits, whose strings have the harmless methods.
fn machine(run: &Rc<Run>) -> mlua::Result<Lua> {
    let lua = Lua::new_with(StdLib::STRING, LuaOptions::new().catch_rust_panics(false))?;
    let library: Table = lua.globals().get("string")?;
    let methods = lua.create_table()?;
    for name in METHODS {
        methods.raw_set(name, library.raw_get::<Function>(name)?)?;
    }
    for name in PATTERNS {
        let run = Rc::clone(run);
        let refuse = move |_: &Lua, _: MultiValue| -> mlua::Result<()> {
            Err(run.give_up("it matches patterns while it is loaded"))
        };
        methods.raw_set(name, lua.create_function(refuse)?)?;
    }
    let meta = lua.create_table()?;
    meta.raw_set("__index", methods)?;
    lua.set_type_metatable::<LuaString>(Some(meta));
    lua.set_memory_limit(MEMORY)?;
    let run = Rc::clone(run);
    lua.set_hook(HookTriggers::new().every_nth_instruction(STRIDE), move |_, _| {
        run.spend(u64::from(STRIDE)).map(|()| VmState::Continue)
    })?;
    Ok(lua)
}

fn load(code: &[u8], api: Api, run: &Rc<Run>) -> mlua::Result<Proof> {
    run.spend(to_compile(code))?;
    let lua = machine(run)?;
    // The first line stays as an empty one, so that the lines of messages are those of the source.
    let body = if code.starts_with(b"#!") {
        code.iter().position(|b| *b == b'\n').map_or(&b""[..], |at| &code[at..])
    } else {
        code
    };
    let table = read_only(&lua, fields(&lua, api, run)?, run)?;
    let globals = lua.create_table()?;
    globals.raw_set("redis", &table)?;
    if api.has_server() {
        globals.raw_set("server", &table)?;
    }
    let chunk = lua
        .load(body)
        .set_mode(ChunkMode::Text)
        .set_name("=user_function")
        .set_environment(read_only(&lua, globals, run)?);
    let function = match chunk.into_function() {
        Ok(function) => function,
        Err(error) => return Ok(run.failed("it does not compile", &error)),
    };
    if let Err(error) = function.call::<()>(()) {
        return Ok(run.failed("its code fails", &error));
    }
    let names: Vec<_> = run.names.take().into_iter().collect();
    Ok(if names.is_empty() { Proof::Refuses("it registers no function".to_owned()) } else { Proof::Loads(names) })
}

/// What all servers have, and have alike.
const COMMON: [&[u8]; 6] =
    [b"redis", b"register_function", b"LOG_DEBUG", b"LOG_VERBOSE", b"LOG_NOTICE", b"LOG_WARNING"];

/// Wraps a table so that it cannot be written, and what is not in it cannot be read.
fn read_only(lua: &Lua, inner: Table, run: &Rc<Run>) -> mlua::Result<Table> {
    let meta = lua.create_table()?;
    let run = Rc::clone(run);
    let get = move |_: &Lua, (_, key): (Value, Value)| -> mlua::Result<Value> {
        let is_common = key.as_string().is_some_and(|name| COMMON.contains(&&*name.as_bytes()));
        run.looked.set(run.looked.get() || !is_common);
        let value: Value = inner.raw_get(key.clone())?;
        if value.is_nil() {
            let name = match &key {
                Value::String(name) => shown(&name.as_bytes()),
                other => other.to_string().unwrap_or_default(),
            };
            return Err(Error::runtime(format!("it reads the global variable '{name}', which is not there")));
        }
        Ok(value)
    };
    meta.raw_set("__index", lua.create_function(get)?)?;
    let set =
        |_: &Lua, _: MultiValue| -> mlua::Result<()> { Err(Error::runtime("it writes to a table that is read only")) };
    meta.raw_set("__newindex", lua.create_function(set)?)?;
    let outer = lua.create_table()?;
    outer.set_metatable(Some(meta))?;
    Ok(outer)
}

fn fields(lua: &Lua, api: Api, run: &Rc<Run>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (level, name) in ["LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"].into_iter().enumerate() {
        table.raw_set(name, level)?;
    }
    let number = |[major, minor, patch]: Version| u32::from(major) << 16 | u32::from(minor) << 8 | u32::from(patch);
    let text = |[major, minor, patch]: Version| format!("{major}.{minor}.{patch}");
    let redis = match api {
        Api::Redis(version) => version,
        // What Valkey says of itself for the sake of old scripts.
        _ => [7, 2, 4],
    };
    table.raw_set("REDIS_VERSION", text(redis))?;
    table.raw_set("REDIS_VERSION_NUM", number(redis))?;
    if let (Api::Valkey(version), true) = (api, api.has_server()) {
        table.raw_set("SERVER_NAME", "valkey")?;
        table.raw_set("VALKEY_VERSION", text(version))?;
        table.raw_set("VALKEY_VERSION_NUM", number(version))?;
    }
    let of_log = Rc::clone(run);
    let log = move |_: &Lua, arguments: MultiValue| -> mlua::Result<()> {
        if api.dies_of_log() {
            of_log.dies.set(true);
            return Err(Error::runtime("it writes to the log"));
        }
        of_log.spend(arguments.front().map_or(0, length))?;
        let level = arguments.front().and_then(number_of);
        match level {
            _ if arguments.len() < 2 => Err(Error::runtime("log takes a level and a text")),
            Some(level) if (0.0..4.0).contains(&level) => Ok(()),
            _ => Err(Error::runtime("log was given a level that is none")),
        }
    };
    table.raw_set("log", lua.create_function(log)?)?;
    let of_register = Rc::clone(run);
    let register = move |_: &Lua, arguments: MultiValue| -> mlua::Result<()> {
        let name = registered(&arguments, &of_register)?;
        of_register.register(name)
    };
    table.raw_set("register_function", lua.create_function(register)?)?;
    Ok(table)
}

/// Reads a value as Lua reads a number.
fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        Value::String(text) => text.to_str().ok()?.trim().parse().ok(),
        _ => None,
    }
}

/// Returns how long a value is that may be a string: it is looked at byte by byte.
fn length(value: &Value) -> u64 {
    value.as_string().map_or(0, |text| text.as_bytes().len() as u64)
}

/// Reads a value as Lua reads a string.
fn string_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(_) | Value::Number(_) => Some(value.to_string().ok()?.into_bytes()),
        _ => None,
    }
}

/// Returns the name of the function that a call registers, or what is wrong with the call.
fn registered(arguments: &MultiValue, run: &Run) -> mlua::Result<Vec<u8>> {
    let refuse = |why: &str| Err(Error::runtime(why));
    let named = |value: &Value| -> mlua::Result<Vec<u8>> {
        let length = length(value);
        run.spend(length)?;
        if length > NAMES as u64 {
            return Err(run.give_up("the name of a function is too long"));
        }
        string_of(value).ok_or_else(|| Error::runtime("the name of a function is no string"))
    };
    let mut name = None;
    let mut callback = None;
    let arguments: Vec<&Value> = arguments.iter().collect();
    match arguments[..] {
        [Value::Table(parts)] => {
            for pair in parts.pairs::<Value, Value>() {
                let (key, value) = pair?;
                run.spend(1)?;
                let Value::String(key) = key else {
                    return refuse("register_function was given a part without a name");
                };
                let key = key.as_bytes();
                let is = |name: &str| key.eq_ignore_ascii_case(name.as_bytes());
                if is("function_name") {
                    name = Some(named(&value)?);
                } else if is("callback") {
                    callback = Some(value.is_function());
                } else if is("description") {
                    if !value.is_string() && !value.is_number() && !value.is_integer() {
                        return refuse("the description of a function is no string");
                    }
                } else if is("flags") {
                    flags(&value, run)?;
                } else {
                    return refuse(&format!("register_function knows no \"{}\"", shown(&key)));
                }
            }
        }
        [_] => return refuse("register_function takes a name and a function, or a table"),
        [first, second] => {
            name = Some(named(first)?);
            callback = Some(second.is_function());
        }
        _ => return refuse("register_function takes one or two arguments"),
    }
    let Some(name) = name else { return refuse("a function is registered without a name") };
    match callback {
        None => return refuse("a function is registered without a callback"),
        Some(false) => return refuse("the callback of a function is no function"),
        Some(true) => {}
    }
    if name.is_empty() || !name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') {
        let name = shown(&name);
        return refuse(&format!("the name \"{name}\" of a function is not made of letters, digits and underscores"));
    }
    Ok(name)
}

/// Flags count up to the first gap; other keys of their table are passed over.
fn flags(value: &Value, run: &Run) -> mlua::Result<()> {
    let Value::Table(list) = value else { return Err(Error::runtime("the flags of a function are no table")) };
    for flag in list.sequence_values::<Value>() {
        run.spend(1)?;
        let flag = flag?;
        let is_known = flag
            .as_string()
            .is_some_and(|flag| FLAGS.iter().any(|known| flag.as_bytes().eq_ignore_ascii_case(known.as_bytes())));
        if !is_known {
            return Err(Error::runtime("a function has a flag that no server knows"));
        }
    }
    Ok(())
}
