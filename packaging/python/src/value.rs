//! Values as Python has them: texts are `bytes`, ids of streams are texts such as `1526919030474-55`.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyInt, PyList, PySet};
use redis_persistence::rdb::{ArrayItem, Group, ModuleData, ModuleItem, Stream, StreamId, Value};

/// Returns a value as Python has it.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::String(text) => Ok(PyBytes::new(py, text).into_any()),
        Value::List(items) => list(py, items),
        Value::Set(members) => set(py, members),
        Value::Hash(fields) => {
            let dict = PyDict::new(py);
            for field in fields {
                dict.set_item(PyBytes::new(py, &field.name), PyBytes::new(py, &field.value))?;
            }
            Ok(dict.into_any())
        }
        Value::ZSet(members) => {
            let pairs = members.iter().map(|(member, score)| (PyBytes::new(py, member), *score));
            Ok(PyList::new(py, pairs)?.into_any())
        }
        Value::Stream(of) => Ok(stream(py, of)?.into_any()),
        Value::Array(slots) => {
            let pairs = slots.iter().map(|(index, value)| (*index, item(py, value)));
            Ok(PyList::new(py, pairs)?.into_any())
        }
        Value::Module { id, items } => {
            let dict = PyDict::new(py);
            dict.set_item("module", id.name())?;
            let written = items.iter().filter_map(|data| module_item(py, data));
            dict.set_item("items", PyList::new(py, written.collect::<Vec<_>>())?)?;
            Ok(dict.into_any())
        }
        // A type that a later version of the library reads.
        other => Ok(format!("{other:?}").into_pyobject(py)?.into_any()),
    }
}

/// Returns a set of texts.
fn set<'py>(py: Python<'py>, members: &[Vec<u8>]) -> PyResult<Bound<'py, PyAny>> {
    Ok(PySet::new(py, members.iter().map(|member| PyBytes::new(py, member)))?.into_any())
}

/// Returns a list of texts.
fn list<'py>(py: Python<'py>, items: &[Vec<u8>]) -> PyResult<Bound<'py, PyAny>> {
    Ok(PyList::new(py, items.iter().map(|item| PyBytes::new(py, item)))?.into_any())
}

fn item<'py>(py: Python<'py>, value: &ArrayItem) -> Bound<'py, PyAny> {
    match value {
        ArrayItem::Int(number) => PyInt::new(py, *number).into_any(),
        ArrayItem::Float(number) => PyFloat::new(py, *number).into_any(),
        ArrayItem::Text(text) => PyBytes::new(py, text).into_any(),
    }
}

fn module_item<'py>(py: Python<'py>, data: &ModuleData) -> Option<Bound<'py, PyAny>> {
    Some(match data {
        ModuleData::Text(text) => PyBytes::new(py, text).into_any(),
        ModuleData::Number(ModuleItem::Signed(number)) => PyInt::new(py, *number).into_any(),
        ModuleData::Number(ModuleItem::Unsigned(number)) => PyInt::new(py, *number).into_any(),
        ModuleData::Number(ModuleItem::Float(number)) => PyFloat::new(py, f64::from(*number)).into_any(),
        ModuleData::Number(ModuleItem::Double(number)) => PyFloat::new(py, *number).into_any(),
        ModuleData::Number(ModuleItem::End) => return None,
    })
}

fn id((ms, seq): StreamId) -> String {
    format!("{ms}-{seq}")
}

fn stream<'py>(py: Python<'py>, stream: &Stream) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let entries = stream.entries.iter().map(|entry| {
        let fields: Vec<_> =
            entry.fields.iter().map(|(name, value)| (PyBytes::new(py, name), PyBytes::new(py, value))).collect();
        (id(entry.id), fields)
    });
    dict.set_item("entries", PyList::new(py, entries.collect::<Vec<_>>())?)?;
    dict.set_item("length", stream.info.map(|info| info.length))?;
    dict.set_item("last_id", stream.info.map(|info| id(info.last_id)))?;
    let groups = stream.groups.iter().map(|of| group(py, of)).collect::<PyResult<Vec<_>>>()?;
    dict.set_item("groups", PyList::new(py, groups)?)?;
    Ok(dict)
}

fn group<'py>(py: Python<'py>, group: &Group) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("name", PyBytes::new(py, &group.name))?;
    dict.set_item("last_id", id(group.last_id))?;
    dict.set_item("entries_read", group.entries_read.filter(|read| *read != u64::MAX))?;
    let pending = group.pending.iter().map(|(of, time_ms, deliveries)| (id(*of), *time_ms, *deliveries));
    dict.set_item("pending", PyList::new(py, pending.collect::<Vec<_>>())?)?;
    let mut consumers = Vec::new();
    for consumer in &group.consumers {
        let dict = PyDict::new(py);
        dict.set_item("name", PyBytes::new(py, &consumer.name))?;
        dict.set_item("seen_ms", consumer.seen)?;
        dict.set_item("active_ms", consumer.active)?;
        dict.set_item("pending", consumer.pending.iter().copied().map(id).collect::<Vec<_>>())?;
        consumers.push(dict);
    }
    dict.set_item("consumers", PyList::new(py, consumers)?)?;
    Ok(dict)
}
