//! The whole encoding, one unit after another.

use kmill_btf::Btf;

use crate::dwarf::abbrev::Abbrevs;
use crate::error::EncodeError;
use crate::plan::Plan;
use crate::serial::functions;
use crate::serial::stream::Stream;
use crate::serial::variables;
use crate::unit::load::{self, UnitKind};
use crate::unit::model::Unit;
use crate::unit::resolve;

/// Encodes all units; `merged` when they refer to each other and count as one.
pub(crate) fn encode(plan: &Plan<'_>, btf: Btf, merged: bool) -> Result<Btf, EncodeError> {
    let Plan { image, symbols, headers, context, options, .. } = plan;
    let features = &options.features;
    let mut stream = Stream::new(btf);
    let mut states = Vec::new();
    let mut variables = variables::Sections::new(image, *symbols, features);
    let mut put = |mut unit: Unit<'_>, address_size| -> Result<(), EncodeError> {
        let convention = context.true_signature.as_ref();
        resolve::unit(&mut unit, plan.little_endian(), address_size, convention)?;
        let base = stream.types(&unit, features)?;
        let registers = context.register_params;
        functions::save(
            &mut stream,
            &unit,
            base,
            &plan.functions,
            registers,
            address_size,
            &mut states,
        );
        if variables.any() {
            variables.encode(&mut stream, &unit, base, features, address_size)?;
        }
        Ok(())
    };
    let info = plan.sections.info()?;
    let mut abbrevs = Abbrevs::default();
    let mut together = Unit::default();
    for header in headers {
        abbrevs.read(plan.sections, header.abbrev)?;
        let mut unit = if merged { std::mem::take(&mut together) } else { Unit::default() };
        let kind = load::unit(context, info, header, &abbrevs, &mut unit, merged)?;
        match kind {
            _ if merged => together = unit,
            UnitKind::LeftOut => {}
            UnitKind::Encoded => put(unit, header.encoding.address_size)?,
        }
    }
    if merged {
        put(together, headers[0].encoding.address_size)?;
    }
    functions::encode(&mut stream.btf, states, &plan.functions, features)?;
    variables.finish(&mut stream.btf, image);
    Ok(stream.btf)
}
