//! Which commands the text of a script calls, as far as that can be read off it without running it.
//!
//! Measured on Redis 7.0.15 to 8.6.3 and Valkey 8.0.1 to 9.1.2: while they load an append-only file, they crash where a command that
//! a script runs is answered with an error, and that error is what comes of the script: raised by `call` and caught by nobody, or
//! returned by `pcall` and handed on; or where its flags forbid the command. Most errors of the script itself (`error("x")`,
//! `redis.error_reply`, an argument that is no text) they pass over, and some they do not: `error({})` ends Redis 7.0 and 8.0 and
//! Valkey 8.1, `redis.acl_check_cmd` of an unknown command Valkey 9.1. In a transaction they pass over all errors, as Redis 5.0 to 6.2 do
//! anywhere.
//!
//! Whether a command fails depends on the data, but for a few that never do, and those that a server does not know.

/// What a script does with commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Script {
    /// It does no more than run commands that never fail, and raises no error if it is given so many keys and arguments.
    Harmless { keys: u64, argv: u64 },
    /// It runs this one and nothing else, and its error is what comes of the script.
    Single(Call),
    /// More than a look at the text tells.
    Unknown,
}

/// A call of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// In upper case.
    pub(crate) name: Vec<u8>,
    /// How many arguments, the name among them.
    pub(crate) args: u64,
    /// How many keys and arguments the script has to be given, or one of them is nothing.
    pub(crate) keys: u64,
    pub(crate) argv: u64,
}

/// Longer scripts are not looked at.
const LONGEST: usize = 64 << 10;
/// No server has a command with a longer name.
const LONGEST_NAME: usize = 64;

/// Names by which a script gets at what is not called by its name.
const OPENING: [&[u8]; 8] =
    [b"_G", b"getfenv", b"getmetatable", b"load", b"loadstring", b"rawget", b"setfenv", b"setmetatable"];
/// Names by which a script raises an error.
const RAISING: [&[u8]; 5] = [b"acl_check_cmd", b"assert", b"err", b"error", b"error_reply"];

/// Whether a command has as many arguments as are meant.
type Fits = fn(u64) -> bool;

/// Commands that take any values and never fail, by how many arguments they have then.
const HARMLESS: [(&[u8], Fits); 6] = [
    (b"SET", |args| args == 3),
    (b"MSET", |args| args >= 3 && args % 2 == 1),
    (b"DEL", |args| args >= 2),
    (b"UNLINK", |args| args >= 2),
    (b"EXISTS", |args| args >= 2),
    (b"PERSIST", |args| args == 2),
];

impl Script {
    /// Reads the source of a script of EVAL. Servers before 7.0 do not know a first line that begins with `#!`, and flags behind it
    /// forbid commands; `server` is a name of Valkey alone.
    pub(crate) fn read(code: &[u8]) -> Self {
        let (line, body) = without_shebang(code);
        if body.len() > LONGEST || line.is_some_and(|line| line.trim_ascii() != b"lua") {
            return Self::Unknown;
        }
        let Some(tokens) = tokens(body).filter(|tokens| !tokens.contains(&Token::Word(b"server"))) else {
            return Self::Unknown;
        };
        match (single(&tokens).filter(|call| !call.is_harmless()), straight(&tokens)) {
            (Some(call), _) => Self::Single(call),
            (None, Some((keys, argv))) if line.is_none() => Self::Harmless { keys, argv },
            _ => Self::Unknown,
        }
    }
}

/// Whether no function of a library runs a command that may fail, or raises an error by name.
pub(crate) fn library_is_harmless(code: &[u8]) -> bool {
    let (_, body) = without_shebang(code);
    body.len() <= LONGEST && tokens(body).is_some_and(|tokens| all_harmless(&tokens))
}

/// What stands behind `#!` in the first line, if it begins so, and the code behind that line.
fn without_shebang(code: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let Some(rest) = code.strip_prefix(b"#!") else { return (None, code) };
    let (line, body) = rest.split_at(rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()));
    (Some(line), body)
}

impl Call {
    fn is_harmless(&self) -> bool {
        HARMLESS.iter().any(|(name, fits)| *name == self.name && fits(self.args))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a [u8]),
    Number(&'a [u8]),
    /// What stands between quotes; `None` where something is escaped in it.
    Text(Option<&'a [u8]>),
    Sign(u8),
}

/// Returns the tokens of a source; `None` where a quote or comment does not end.
fn tokens(code: &[u8]) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some((&first, behind)) = rest.split_first() {
        let while_in = |fits: fn(&u8) -> bool| rest.iter().position(|byte| !fits(byte)).unwrap_or(rest.len());
        let len = match first {
            _ if first.is_ascii_whitespace() => 1,
            b'-' if rest.starts_with(b"--[[") || rest.starts_with(b"--[=") => return None,
            b'-' if rest.starts_with(b"--") => while_in(|byte| *byte != b'\n'),
            b'"' | b'\'' => {
                let mut end = 0;
                let mut escaped = false;
                loop {
                    match *behind.get(end)? {
                        b'\\' => (escaped, end) = (true, end + 2),
                        b'\n' => return None,
                        byte if byte == first => break,
                        _ => end += 1,
                    }
                }
                tokens.push(Token::Text(behind.get(..end).filter(|_| !escaped)));
                end + 2
            }
            b'[' if rest.starts_with(b"[[") || rest.starts_with(b"[=") => return None,
            b'0'..=b'9' => {
                let len = while_in(|byte| byte.is_ascii_alphanumeric() || *byte == b'.');
                tokens.push(Token::Number(&rest[..len]));
                len
            }
            _ if first.is_ascii_alphabetic() || first == b'_' => {
                let len = while_in(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
                tokens.push(Token::Word(&rest[..len]));
                len
            }
            sign => {
                tokens.push(Token::Sign(sign));
                1
            }
        };
        rest = rest.get(len..)?;
    }
    Some(tokens)
}

/// Returns how a call begins: `redis.call(`, and whether its error is raised.
fn opens(tokens: &[Token<'_>]) -> Option<bool> {
    match tokens {
        [Token::Word(b"redis" | b"server"), Token::Sign(b'.'), Token::Word(name), Token::Sign(b'('), ..] => match *name
        {
            b"call" => Some(true),
            b"pcall" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// This many tokens make the beginning of a call.
const OPENING_TOKENS: usize = 4;

/// Returns the arguments of a call, whose brackets were opened before, and the tokens behind it.
fn arguments<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<(Vec<&'t [Token<'a>]>, &'t [Token<'a>])> {
    let mut arguments = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign(b')') if depth == 0 => {
                if at > start || !arguments.is_empty() {
                    arguments.push(&tokens[start..at]);
                }
                return Some((arguments, &tokens[at + 1..]));
            }
            Token::Sign(b',') if depth == 0 => {
                arguments.push(&tokens[start..at]);
                start = at + 1;
            }
            Token::Sign(b'(' | b'[' | b'{') => depth += 1,
            Token::Sign(b')' | b']' | b'}') => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// Returns the call, if its command stands there in letters and each argument is one.
fn call(arguments: &[&[Token<'_>]]) -> Option<Call> {
    let ([Token::Text(Some(name))], rest) = arguments.split_first()? else { return None };
    // What a function gives, or three dots, may be any number of arguments.
    let is_many = |argument: &&[Token<'_>]| {
        argument.is_empty() || argument.contains(&Token::Sign(b'(')) || argument.ends_with(&[Token::Sign(b'.')])
    };
    if rest.iter().any(is_many) {
        return None;
    }
    if name.len() > LONGEST_NAME {
        return None;
    }
    Some(Call { name: name.to_ascii_uppercase(), args: arguments.len() as u64, keys: 0, argv: 0 })
}

/// Returns the call that is all that the script is.
fn single(tokens: &[Token<'_>]) -> Option<Call> {
    let (returns, tokens) = match tokens {
        [Token::Word(b"return"), rest @ ..] => (true, rest),
        all => (false, all),
    };
    let raises = opens(tokens)?;
    let (given, behind) = arguments(&tokens[OPENING_TOKENS..])?;
    let call = plain_call(&given)?;
    (matches!(behind, [] | [Token::Sign(b';')]) && (raises || returns)).then_some(call)
}

/// The call, if each argument is a text, a number, or one of the keys and arguments by its number.
fn plain_call(given: &[&[Token<'_>]]) -> Option<Call> {
    let mut call = call(given)?;
    for argument in &given[1..] {
        match argument {
            [Token::Text(_) | Token::Number(_)] => {}
            [Token::Word(b"KEYS"), rest @ ..] => call.keys = call.keys.max(index(rest)?),
            [Token::Word(b"ARGV"), rest @ ..] => call.argv = call.argv.max(index(rest)?),
            _ => return None,
        }
    }
    Some(call)
}

/// The number in square brackets.
fn index(tokens: &[Token<'_>]) -> Option<u64> {
    match tokens {
        [Token::Sign(b'['), Token::Number(n), Token::Sign(b']')] => std::str::from_utf8(n).ok()?.parse().ok(),
        _ => None,
    }
}

/// How many keys and arguments a script needs that is nothing but calls of commands that never fail, one after the other.
fn straight(mut tokens: &[Token<'_>]) -> Option<(u64, u64)> {
    let (mut keys, mut argv) = (0, 0);
    loop {
        let returns = matches!(tokens.first(), Some(Token::Word(b"return")));
        let rest = &tokens[usize::from(returns)..];
        let behind = match rest {
            [] => return Some((keys, argv)),
            [Token::Sign(b';'), behind @ ..] if !returns => {
                tokens = behind;
                continue;
            }
            [Token::Text(_) | Token::Number(_) | Token::Word(b"true" | b"false" | b"nil"), behind @ ..] if returns => {
                behind
            }
            [Token::Word(b"KEYS" | b"ARGV"), rest @ ..] if returns => {
                index(rest.get(..3)?)?;
                &rest[3..]
            }
            _ => {
                opens(rest)?;
                let (given, behind) = arguments(&rest[OPENING_TOKENS..])?;
                let call = plain_call(&given).filter(Call::is_harmless)?;
                (keys, argv) = (keys.max(call.keys), argv.max(call.argv));
                behind
            }
        };
        if returns {
            return matches!(behind, [] | [Token::Sign(b';')]).then_some((keys, argv));
        }
        tokens = behind;
    }
}

/// Returns whether all calls are seen, and are of commands that never fail.
fn all_harmless(tokens: &[Token<'_>]) -> bool {
    (0..tokens.len()).all(|at| match &tokens[at..] {
        [Token::Word(word), ..] if OPENING.contains(word) || RAISING.contains(word) => false,
        rest @ [Token::Word(b"redis" | b"server"), Token::Sign(b'.'), Token::Word(name), ..] => match *name {
            b"call" | b"pcall" => {
                let given = opens(rest).and_then(|_| arguments(&rest[OPENING_TOKENS..]));
                given.and_then(|(given, _)| call(&given)).is_some_and(|call| call.is_harmless())
            }
            _ => true,
        },
        [Token::Word(b"redis" | b"server"), ..] => false,
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single_of(code: &str) -> Option<(String, u64, u64, u64)> {
        match Script::read(code.as_bytes()) {
            Script::Single(Call { name, args, keys, argv }) => {
                Some((String::from_utf8_lossy(&name).into_owned(), args, keys, argv))
            }
            _ => None,
        }
    }

    #[test]
    fn a_script_of_one_call() {
        assert_eq!(single_of("return redis.call('nosuch', KEYS[2], 5, ARGV[1])"), Some(("NOSUCH".to_owned(), 4, 2, 1)));
        assert_eq!(single_of("redis.call(\"get\", 'a\\'b');"), Some(("GET".to_owned(), 2, 0, 0)));
        assert_eq!(single_of("#!lua\nreturn redis.pcall('get')"), Some(("GET".to_owned(), 1, 0, 0)));
        for other in [
            "redis.pcall('get')",
            "return redis.call('get', f())",
            "return redis.call('get', ...)",
            "return redis.call('get', 'a') + 1",
            "return redis.call(ARGV[1])",
            "return redis.call()",
            "return redis.call('get', 'a'",
        ] {
            assert_eq!(Script::read(other.as_bytes()), Script::Unknown, "{other}");
        }
    }

    #[test]
    fn scripts_that_cannot_fail() {
        for (code, keys, argv) in [
            ("return 1", 0, 0),
            ("return KEYS[3];", 0, 0),
            ("return redis.call('set', KEYS[1], ARGV[2])", 1, 2),
            (
                "-- redis\nredis.call('set', KEYS[2], 'x'); redis.call('del', 'a') return redis.pcall('exists', ARGV[1])",
                2,
                1,
            ),
        ] {
            assert_eq!(Script::read(code.as_bytes()), Script::Harmless { keys, argv }, "{code}");
        }
        for code in [
            "local r = redis r.call('get', 'a')",
            "local c = redis.call c('get', 'a')",
            "return redis['call']('get', 'a')",
            "return loadstring(ARGV[1])()",
            "for k, v in pairs(redis) do v() end",
            "redis.call('set', 'a', 'b', 'nx') return 1",
            "redis.call('set', unpack(ARGV)) return 1",
            "return [[redis.call",
            "return 'redis",
            "return redis.sha1hex('redis')",
            "return 1 + nil",
            "return KEYS[1].x",
            "error({})",
            "redis.call('set', 'a' .. ARGV[1], 'b')",
            "return server.call('set', 'a', 'b')",
            "return server.call('nosuch')",
            "#!lua\nreturn redis.call('set', 'a', 'b')",
            "#!lua flags=no-writes\nreturn redis.call('set', 'a', 'b')",
        ] {
            assert_eq!(Script::read(code.as_bytes()), Script::Unknown, "{code}");
        }
    }

    #[test]
    fn libraries() {
        let library = |body: &str| format!("#!lua name=l\nredis.register_function('f', function(k) {body} end)");
        for body in ["return redis.call('set', k[1], 'x')", "return #k", "for n = 1, 3 do redis.call('del', n) end"] {
            assert!(library_is_harmless(library(body).as_bytes()), "{body}");
        }
        for body in ["return redis.call('incr', k[1])", "error({})", "return redis.error_reply('x')", "assert(k[1])"] {
            assert!(!library_is_harmless(library(body).as_bytes()), "{body}");
        }
    }
}
