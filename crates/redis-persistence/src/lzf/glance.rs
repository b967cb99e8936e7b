//! Whether compressed bytes are sound, without saying what is wrong if they are not.
//!
//! Texts alternate between literal runs and matches without any pattern, so a machine that branches on the kind of a token
//! guesses wrong at nearly every second one, and that is what its time goes into. Here every token takes the same steps,
//! and what is wrong is gathered in a flag.

/// Whether `input` decodes to exactly `declared` bytes.
pub(super) fn is_sound(input: &[u8], declared: u64) -> bool {
    Glance::default().over_rest(input, declared)
}

/// Whether both inputs decode to exactly so many bytes.
///
/// Where a token begins is known only once the one before it is read, and to wait for that takes most of the time. So two
/// inputs are read in turns.
pub(super) fn are_sound(inputs: [(&[u8], u64); 2]) -> bool {
    let mut glances = [Glance::default(); 2];
    while let (Some(&one), Some(&other)) = (glances[0].token(inputs[0].0), glances[1].token(inputs[1].0)) {
        for (glance, bytes) in glances.iter_mut().zip([one, other]) {
            glance.over(bytes);
        }
    }
    glances.into_iter().zip(inputs).all(|(glance, (input, declared))| glance.over_rest(input, declared))
}

/// What is known of the tokens so far.
#[derive(Debug, Default, Clone, Copy)]
struct Glance {
    at: usize,
    produced: usize,
    too_far: bool,
}

impl Glance {
    /// The bytes of the next token: three hold any but the content of a literal run.
    #[inline]
    fn token<'a>(&self, input: &'a [u8]) -> Option<&'a [u8; 3]> {
        input.get(self.at..).and_then(|rest| rest.first_chunk())
    }

    #[inline]
    fn over(&mut self, [ctrl, second, third]: [u8; 3]) {
        let (size, len, reach) = token(ctrl, second, third);
        self.too_far |= reach > self.produced;
        self.at += size;
        self.produced += len;
    }

    #[inline]
    fn over_rest(mut self, input: &[u8], declared: u64) -> bool {
        while let Some(&bytes) = self.token(input) {
            self.over(bytes);
        }
        while let Some(&ctrl) = input.get(self.at) {
            let byte = |offset| input.get(self.at + offset).copied().unwrap_or_default();
            self.over([ctrl, byte(1), byte(2)]);
        }
        !self.too_far && self.at == input.len() && self.produced as u64 == declared && declared > 0
    }
}

/// How many bytes the token takes and gives, and how far it reaches back.
#[inline]
fn token(ctrl: u8, second: u8, third: u8) -> (usize, usize, usize) {
    let (literal, long) = (mask(ctrl < 0x20), mask(ctrl >= 0xE0));
    let [ctrl, second, third] = [ctrl, second, third].map(usize::from);
    let size = 2 + (ctrl & literal) + (1 & long);
    let len = (ctrl & literal) + 1 + (((ctrl >> 5) + 1 + (second & long)) & !literal);
    let low = (second & !long) | (third & long);
    let reach = (((ctrl & 0x1F) << 8 | low) + 1) & !literal;
    (size, len, reach)
}

/// All ones if it is so.
#[inline]
fn mask(so: bool) -> usize {
    usize::from(so).wrapping_neg()
}
