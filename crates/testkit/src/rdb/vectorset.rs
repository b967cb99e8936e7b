//! Vector sets of Redis 8: values of the module type `vectorset`.

use super::opcode::{ModuleOp, module_id};
use super::writer::RdbWriter;
use crate::rng::Rng;

/// How the numbers of vectors are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantisation {
    /// Four bytes each.
    None,
    /// One byte each.
    Byte,
    /// One bit each, in words of eight bytes.
    Bit,
}

/// An element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VectorElement {
    /// Its name.
    pub name: Vec<u8>,
    /// Its attributes, if the vector set stores any.
    pub attributes: Vec<u8>,
    /// Its vector as it is stored.
    pub vector: Vec<u8>,
    /// Its id.
    pub id: u64,
    /// For each level from 0 on: the most links, and the links.
    pub levels: Vec<(u64, Vec<u64>)>,
}

/// A vector set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VectorSet {
    /// Numbers of a vector.
    pub dimension: u64,
    /// How they are stored.
    pub quantisation: Quantisation,
    /// Links of an element in each level above 0; in level 0 twice as many.
    pub m: u64,
    /// Numbers of the vectors before their dimensions are reduced, and the matrix, if they are.
    pub projection: Option<(u64, Vec<u8>)>,
    /// Whether elements have attributes.
    pub attributes: bool,
    /// Whether elements say which of their links is the worst, as servers write since 8.0.6.
    pub versioned: bool,
    /// The elements.
    pub elements: Vec<VectorElement>,
}

impl VectorSet {
    /// Elements `e1` to `e<count>` in level 0, the last one first, each linked with its neighbours.
    #[must_use]
    pub fn chain(count: u64) -> Self {
        let element = |id: u64| VectorElement {
            name: format!("e{id}").into_bytes(),
            attributes: Vec::new(),
            vector: vec![1, 127, 3],
            id,
            levels: vec![(32, [id - 1, id + 1].into_iter().filter(|id| (1..=count).contains(id)).collect())],
        };
        Self {
            dimension: 3,
            quantisation: Quantisation::Byte,
            m: 16,
            projection: None,
            attributes: false,
            versioned: false,
            elements: (1..=count).rev().map(element).collect(),
        }
    }

    /// A sound one of all forms, of as many elements or fewer.
    #[must_use]
    pub fn arbitrary(rng: &mut Rng, most: u64) -> Self {
        let count = 1 + rng.below(most.max(1));
        let mut set = Self::chain(count);
        set.dimension = 1 + rng.below(130);
        set.quantisation =
            [Quantisation::None, Quantisation::Byte, Quantisation::Bit][usize::try_from(rng.below(3)).unwrap_or(0)];
        set.m = 4 + rng.below(30);
        set.attributes = rng.below(2) == 0;
        set.versioned = rng.below(2) == 0;
        if rng.below(4) == 0 {
            let input = set.dimension + rng.below(9);
            set.projection = Some((input, vec![0; usize::try_from(input * set.dimension * 4).expect("small")]));
        }
        let bytes = set.vector_bytes();
        for element in &mut set.elements {
            element.vector = vec![0x21; bytes];
            element.levels[0].0 = set.m * 2;
            if set.attributes && element.id % 3 == 0 {
                element.attributes = b"{\"a\":1}".to_vec();
            }
        }
        // The first two have a level more.
        if count > 1 {
            for element in set.elements.iter_mut().filter(|element| element.id <= 2) {
                element.levels.push((set.m, vec![3 - element.id]));
            }
        }
        set
    }

    fn vector_bytes(&self) -> usize {
        let numbers = usize::try_from(self.dimension).expect("small");
        match self.quantisation {
            Quantisation::None => numbers * 4,
            Quantisation::Byte => numbers,
            Quantisation::Bit => numbers.div_ceil(64) * 8,
        }
    }

    /// The items of the module's stream.
    #[must_use]
    pub fn ops(&self) -> Vec<ModuleOp> {
        let (uint, text) = (ModuleOp::Uint, |text: &[u8]| ModuleOp::Str(text.to_vec()));
        let form = match self.quantisation {
            Quantisation::None => 0,
            Quantisation::Byte => 1,
            Quantisation::Bit => 2,
        };
        let flags = u64::from(self.projection.is_some()) | u64::from(self.attributes) << 1;
        let mut ops =
            vec![uint(self.dimension), uint(self.elements.len() as u64), uint(self.m << 8 | form), uint(flags)];
        if let Some((input, matrix)) = &self.projection {
            ops.extend([uint(*input), text(matrix)]);
        }
        for element in &self.elements {
            ops.push(text(&element.name));
            if self.attributes {
                ops.push(text(&element.attributes));
            }
            ops.push(text(&element.vector));
            let parameters = self.parameters(element);
            ops.push(uint(parameters.len() as u64));
            ops.extend(parameters.into_iter().map(uint));
        }
        ops
    }

    fn parameters(&self, element: &VectorElement) -> Vec<u64> {
        let mut parameters =
            vec![element.id, u64::from(self.versioned) << 24 | (element.levels.len() as u64).saturating_sub(1)];
        for (most, links) in &element.levels {
            parameters.extend([links.len() as u64, *most]);
            parameters.extend(links);
            if self.versioned {
                parameters.push(0);
            }
        }
        parameters.push(0x3F80_0000_3F80_0000);
        parameters
    }

    /// Writes the value: the module's id and its stream.
    pub fn encode(&self, w: &mut RdbWriter) {
        w.len(module_id("vectorset", 0)).module_stream(&self.ops());
    }
}
