//! Runs the code of function libraries as servers do while they load it: Lua 5.1 with the little that is there at that moment.
//!
//! ```text
//! globals     redis, and server on Valkey from 8.0 on: one table, read only
//! its fields  register_function, log, LOG_*, REDIS_VERSION, REDIS_VERSION_NUM; on Valkey SERVER_NAME, VALKEY_VERSION*
//! else        an error: reading what is not there, writing anything. No library of Lua, but for the methods of strings
//! ```
//!
//! The code is a stranger's. It gets 64 MiB, 10 million instructions and two seconds, and no way to files, time, environment or process.
//! What it needs beyond that, and what could run long without a step (patterns), is answered with "not proven".
//!
//! Source: `FUNCTION LOAD` of some 90 libraries on Redis 7.0.15 to 8.6.3 and Valkey 8.0.1 to 9.1.2; `tests/functions.rs` asks
//! them again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mlua::chunk::ChunkMode;
use mlua::{Error, Function, HookTriggers, Lua, LuaOptions, LuaString, MultiValue, StdLib, Table, Value, VmState};
use redis_persistence::functions::{Api, Proof, Prove, Proven, Version};

/// Bytes that Lua may use.
const MEMORY: usize = 64 << 20;
/// Instructions that a library may run.
const STEPS: u64 = 10_000_000;
/// Instructions between two looks at the clock: the longest of them copies a string as large as the memory.
const STRIDE: u32 = 64;
/// Time that a library may take. Only code that moves great strings comes to it before its steps are used up.
const TIME: Duration = Duration::from_secs(2);

/// What a microsecond counts as. Usual code runs more instructions in it; code that moves great strings runs few, and one
/// library that uses up its time so uses up what all of the file may.
const STEPS_A_MICROSECOND: u64 = 50;

/// Methods of strings that take no more time than the memory they fill.
const METHODS: [&str; 10] = ["byte", "char", "dump", "format", "len", "lower", "rep", "reverse", "sub", "upper"];
/// Methods that match patterns, whose time nothing bounds.
const PATTERNS: [&str; 5] = ["find", "gfind", "gmatch", "gsub", "match"];

/// Flags of a function.
const FLAGS: [&str; 5] = ["no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"];

/// Proves libraries by running them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lua51;

impl Prove for Lua51 {
    fn load(&self, code: &[u8], api: Api) -> Proven {
        let (run, start) = (Rc::new(Run::default()), Instant::now());
        let proof = load(code, api, &run).unwrap_or_else(|error| run.unproven(&error.to_string()));
        let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        Proven { proof, steps: run.steps.get().max(micros.saturating_mul(STEPS_A_MICROSECOND)) }
    }

    fn compile(&self, script: &[u8]) -> Proof {
        let run = Rc::new(Run::default());
        let compiled = || -> mlua::Result<Proof> {
            let lua = machine(&run)?;
            // Servers put a script into a function of its own, so that what closes one early does not compile.
            let text = [b"return function(...) ", script, b"\nend"].concat();
            Ok(match lua.load(text).set_mode(ChunkMode::Text).set_name("=script").into_function() {
                Ok(_) => Proof::Loads(Vec::new()),
                Err(error) => run.failed("it does not compile", &error),
            })
        };
        compiled().unwrap_or_else(|error| run.unproven(&error.to_string()))
    }
}

/// What is known of a run while it lasts.
#[derive(Debug, Default)]
struct Run {
    steps: Cell<u64>,
    names: RefCell<Vec<Vec<u8>>>,
    /// Why the run was given up, if it was not the code's own fault.
    given_up: RefCell<Option<&'static str>>,
    /// Whether the code did what ends the server.
    dies: Cell<bool>,
}

impl Run {
    fn give_up(&self, why: &'static str) -> Error {
        self.given_up.borrow_mut().get_or_insert(why);
        Error::runtime(why)
    }

    fn unproven(&self, error: &str) -> Proof {
        let given_up = *self.given_up.borrow();
        Proof::Unproven(given_up.map_or_else(|| format!("Lua says {error}"), str::to_owned))
    }

    /// What an error means.
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
                Proof::Refuses(format!(
                    "{what}: {}",
                    line.trim_start_matches("runtime error: ").trim_start_matches("syntax error: ")
                ))
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
    let (run, start) = (Rc::clone(run), Instant::now());
    lua.set_hook(HookTriggers::new().every_nth_instruction(STRIDE), move |_, _| {
        run.steps.set(run.steps.get() + u64::from(STRIDE));
        if run.steps.get() > STEPS || start.elapsed() > TIME {
            return Err(run.give_up("it runs too long"));
        }
        Ok(VmState::Continue)
    })?;
    Ok(lua)
}

fn load(code: &[u8], api: Api, run: &Rc<Run>) -> mlua::Result<Proof> {
    let lua = machine(run)?;
    // The first line stays as an empty one, so that the lines of messages are those of the source.
    let body = if code.starts_with(b"#!") {
        code.iter().position(|b| *b == b'\n').map_or(&b""[..], |at| &code[at..])
    } else {
        code
    };
    let table = read_only(&lua, fields(&lua, api, run)?)?;
    let globals = lua.create_table()?;
    globals.raw_set("redis", &table)?;
    if api.has_server() {
        globals.raw_set("server", &table)?;
    }
    let chunk =
        lua.load(body).set_mode(ChunkMode::Text).set_name("=user_function").set_environment(read_only(&lua, globals)?);
    let function = match chunk.into_function() {
        Ok(function) => function,
        Err(error) => return Ok(run.failed("it does not compile", &error)),
    };
    if let Err(error) = function.call::<()>(()) {
        return Ok(run.failed("its code fails", &error));
    }
    let names = run.names.take();
    Ok(if names.is_empty() { Proof::Refuses("it registers no function".to_owned()) } else { Proof::Loads(names) })
}

/// Wraps a table so that it cannot be written, and what is not in it cannot be read.
fn read_only(lua: &Lua, inner: Table) -> mlua::Result<Table> {
    let meta = lua.create_table()?;
    let get = move |_: &Lua, (_, key): (Value, Value)| -> mlua::Result<Value> {
        let value: Value = inner.raw_get(key.clone())?;
        if value.is_nil() {
            let name = key.to_string().unwrap_or_default();
            return Err(Error::runtime(format!(
                "it reads the global variable '{}', which is not there",
                name.escape_debug()
            )));
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
        let name = registered(&arguments).map_err(Error::runtime)?;
        let mut names = of_register.names.borrow_mut();
        if names.contains(&name) {
            return Err(Error::runtime(format!("it registers the function \"{}\" twice", name.escape_ascii())));
        }
        names.push(name);
        Ok(())
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

/// Reads a value as Lua reads a string.
fn string_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(_) | Value::Number(_) => Some(value.to_string().ok()?.into_bytes()),
        _ => None,
    }
}

/// Returns the name of the function that a call registers, or what is wrong with the call.
fn registered(arguments: &MultiValue) -> Result<Vec<u8>, String> {
    let mut name = None;
    let mut callback = None;
    let arguments: Vec<&Value> = arguments.iter().collect();
    match arguments[..] {
        [Value::Table(named)] => {
            for pair in named.pairs::<Value, Value>() {
                let (key, value) = pair.map_err(|error| error.to_string())?;
                let Value::String(key) = key else {
                    return Err("register_function was given a part without a name".to_owned());
                };
                match &*key.as_bytes().to_ascii_lowercase() {
                    b"function_name" => name = Some(string_of(&value).ok_or("the name of a function is no string")?),
                    b"callback" => callback = Some(matches!(value, Value::Function(_))),
                    b"description" => drop(string_of(&value).ok_or("the description of a function is no string")?),
                    b"flags" => flags(&value)?,
                    other => return Err(format!("register_function knows no \"{}\"", other.escape_ascii())),
                }
            }
        }
        [_] => return Err("register_function takes a name and a function, or a table".to_owned()),
        [first, second] => {
            name = Some(string_of(first).ok_or("the name of a function is no string")?);
            callback = Some(matches!(second, Value::Function(_)));
        }
        _ => return Err("register_function takes one or two arguments".to_owned()),
    }
    let name = name.ok_or("a function is registered without a name")?;
    match callback {
        None => return Err("a function is registered without a callback".to_owned()),
        Some(false) => return Err("the callback of a function is no function".to_owned()),
        Some(true) => {}
    }
    if name.is_empty() || !name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') {
        let name = name[..name.len().min(80)].escape_ascii();
        return Err(format!("the name \"{name}\" of a function is not made of letters, digits and underscores"));
    }
    Ok(name)
}

/// Flags count up to the first gap; other keys of their table are passed over.
fn flags(value: &Value) -> Result<(), String> {
    let Value::Table(list) = value else { return Err("the flags of a function are no table".to_owned()) };
    for flag in list.sequence_values::<Value>() {
        let flag = flag.map_err(|error| error.to_string())?;
        let known = string_of(&flag).filter(|_| flag.is_string());
        if !known.is_some_and(|flag| FLAGS.iter().any(|known| flag.eq_ignore_ascii_case(known.as_bytes()))) {
            return Err("a function has a flag that no server knows".to_owned());
        }
    }
    Ok(())
}
