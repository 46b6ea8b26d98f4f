//! One unit's types onto the stream, with the ids that follow from their numbers.

use kmill_btf::format::{Info, int};
use kmill_btf::{Btf, Kind, StrOff, TypeId};

use crate::error::{EncodeError, Place};
use crate::features::Features;
use crate::unit::model::{
    Annotation, CoreId, DieOffset, Enumerator, Member, Shape, Unit, UnitType,
};
use crate::unit::rules::{self, Base};

/// What is carried from unit to unit.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) btf: Btf,
    /// The id that arrays are indexed with, once it is known.
    index: Option<TypeId>,
    /// An array needed it.
    index_needed: bool,
}

/// Where the types of a unit begin: its first has the next id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnitBase(pub(crate) TypeId);

impl UnitBase {
    /// The id of a type of the unit; `void` is `void`.
    pub(crate) fn id(self, id: CoreId) -> TypeId {
        match id {
            CoreId(0) => TypeId::VOID,
            id => self.raw(id),
        }
    }

    /// The same without a look at `void`: what members have.
    fn raw(self, id: CoreId) -> TypeId {
        TypeId(self.0.0 + id.0)
    }
}

/// Why a type cannot be said in BTF.
fn refused(offset: DieOffset, what: &'static str) -> EncodeError {
    let place = Place { section: ".debug_info", unit: None, offset: offset.0 };
    EncodeError::Dwarf { place, what }
}

impl Stream {
    pub(crate) fn new(btf: Btf) -> Stream {
        Stream { btf, index: None, index_needed: false }
    }

    /// Appends the types of a unit and the attributes of their declarations.
    pub(crate) fn types(
        &mut self,
        unit: &Unit<'_>,
        features: &Features,
    ) -> Result<UnitBase, EncodeError> {
        let base = UnitBase(self.btf.types.last());
        let index = self.index.unwrap_or_else(|| {
            let int = unit
                .iter()
                .find(|(_, ty)| matches!(ty.shape, Shape::Base { .. }) && ty.name == Some(b"int"));
            if let Some((id, _)) = int {
                self.index = Some(base.id(id));
            }
            // Without one, it will be appended behind the types.
            base.raw(int.map_or(CoreId(unit.types.len() as u32 + 1), |(id, _)| id))
        });
        for (_, ty) in unit.iter() {
            self.one(unit, ty, base, index, features)?;
        }
        if self.index_needed && self.index.is_none() {
            let name = self.btf.add_string(b"int");
            self.btf.types.push_int(name, 4, int::SIGNED);
            self.index = Some(index);
        }
        for (id, ty) in unit.iter() {
            if matches!(ty.shape, Shape::Composite { .. } | Shape::Declared { .. } | Shape::Typedef)
            {
                for annotation in unit.annotations(&ty.annotations) {
                    // The reference ends this unit here and goes on with the next.
                    if annotation.value.is_empty() {
                        return Ok(base);
                    }
                    self.decl_tag(annotation, base.id(id));
                }
            }
        }
        Ok(base)
    }

    pub(crate) fn decl_tag(&mut self, annotation: &Annotation<'_>, target: TypeId) -> TypeId {
        let value = self.btf.add_string(annotation.value);
        let info = Info::new(Kind::DeclTag, false, 0);
        self.btf.types.push(value, info, target.0, &[annotation.component as u32])
    }

    fn name(&mut self, name: Option<&[u8]>) -> StrOff {
        self.btf.add_string(name.unwrap_or_default())
    }

    fn one(
        &mut self,
        unit: &Unit<'_>,
        ty: &UnitType<'_>,
        base: UnitBase,
        index: TypeId,
        features: &Features,
    ) -> Result<(), EncodeError> {
        let target = base.id(ty.target_id);
        let named = |what| match ty.name {
            Some(name) if !name.is_empty() => Ok(()),
            _ => Err(refused(ty.offset, what)),
        };
        let reference = |btf: &mut Btf, kind, name| {
            btf.types.push_ref(kind, name, target);
        };
        match &ty.shape {
            Shape::Base { encoding, size } => self.base_type(ty, *encoding, *size, features)?,
            Shape::Pointer => reference(&mut self.btf, Kind::Ptr, StrOff::EMPTY),
            Shape::Const => reference(&mut self.btf, Kind::Const, StrOff::EMPTY),
            Shape::Volatile => reference(&mut self.btf, Kind::Volatile, StrOff::EMPTY),
            Shape::Restrict => reference(&mut self.btf, Kind::Restrict, StrOff::EMPTY),
            Shape::Typedef => {
                named("a typedef without a name")?;
                let name = self.name(ty.name);
                reference(&mut self.btf, Kind::Typedef, name);
            }
            Shape::TypeTag { value } => {
                let value = self.btf.add_string(value);
                reference(&mut self.btf, Kind::TypeTag, value);
            }
            Shape::Declared { union } => {
                named("a declared structure without a name")?;
                let name = self.name(ty.name);
                self.btf.types.push(name, Info::new(Kind::Fwd, *union, 0), 0, &[]);
            }
            Shape::Composite { union, size, members, .. } => {
                let members = unit.members(members);
                self.composite(ty, *union, *size, members, base)?;
            }
            Shape::Enumeration { bits, signed, values } => {
                self.enumeration(ty, *bits, *signed, unit.enumerators(values), features)?;
            }
            Shape::Array { len } => {
                self.index_needed = true;
                let more = [target.0, index.0, *len];
                self.btf.types.push(StrOff::EMPTY, Info::new(Kind::Array, false, 0), 0, &more);
            }
            Shape::Prototype { params, varargs, .. } => {
                let mut more = Vec::new();
                for param in unit.params(params) {
                    let name = self.name(param.name);
                    more.extend([name.0, base.id(param.target_id).0]);
                }
                if *varargs {
                    more.extend([0, 0]);
                }
                push_prototype(&mut self.btf, target, &more);
            }
            Shape::Unspecified => {}
            Shape::Unsupported { what } => return Err(refused(ty.offset, what)),
        }
        Ok(())
    }

    fn base_type(
        &mut self,
        ty: &UnitType<'_>,
        encoding: u64,
        size: u64,
        features: &Features,
    ) -> Result<(), EncodeError> {
        let named = |what| match ty.name {
            Some(name) if !name.is_empty() => Ok(name),
            _ => Err(refused(ty.offset, what)),
        };
        let base =
            rules::base(encoding, size, features).map_err(|what| refused(ty.offset, what))?;
        match base {
            Base::Float { size } => {
                let name = named("a floating-point type without a name")?;
                let name = self.btf.add_string(name);
                self.btf.types.push(name, Info::new(Kind::Float, false, 0), size, &[]);
            }
            Base::Int { size, encoding } => {
                let name = named("a base type without a name")?;
                let name = self.btf.add_string(name);
                self.btf.types.push_int(name, size, encoding);
            }
            Base::FakeInt { encoding } => {
                let name = self.btf.add_string(rules::FAKE_INT);
                self.btf.types.push_int(name, 4, encoding);
            }
        }
        Ok(())
    }

    fn composite(
        &mut self,
        ty: &UnitType<'_>,
        union: bool,
        size: u64,
        members: &[Member<'_>],
        base: UnitBase,
    ) -> Result<(), EncodeError> {
        let name = self.name(ty.name);
        let kind = if union { Kind::Union } else { Kind::Struct };
        let mut more = Vec::with_capacity(members.len() * 3);
        let mut bit_fields = false;
        for member in members.iter().filter(|member| !member.is_inheritance) {
            let name = self.name(member.name);
            let word = rules::member(union, member.bit_offset, member.bit_size);
            let (offset, is_bit_field) = word.map_err(|what| refused(ty.offset, what))?;
            bit_fields |= is_bit_field;
            more.extend([name.0, base.raw(member.target_id).0, offset]);
        }
        let info = Info::new(kind, bit_fields, more.len() as u32 / 3);
        self.btf.types.push(name, info, size as u32, &more);
        Ok(())
    }

    fn enumeration(
        &mut self,
        ty: &UnitType<'_>,
        bits: u64,
        signed: bool,
        values: &[Enumerator<'_>],
        features: &Features,
    ) -> Result<(), EncodeError> {
        let refuse = |what| refused(ty.offset, what);
        let (kind, size, mut flag) = rules::enumeration(bits, signed, features).map_err(refuse)?;
        let name = self.name(ty.name);
        let mut more = Vec::new();
        for value in values {
            let label = value.name.unwrap_or_default();
            if label.is_empty() {
                return Err(refuse("a value without a name"));
            }
            let label = self.btf.add_string(label);
            let (value, is_negative) = rules::value(kind, value.value, features).map_err(refuse)?;
            flag |= is_negative;
            more.extend([label.0, value as u32]);
            if kind == Kind::Enum64 {
                more.push((value >> 32) as u32);
            }
        }
        self.btf.types.push(name, Info::new(kind, flag, values.len() as u32), size, &more);
        Ok(())
    }
}

/// Appends a prototype; parameters are two words each.
pub(crate) fn push_prototype(btf: &mut Btf, result: TypeId, params: &[u32]) -> TypeId {
    let info = Info::new(Kind::FuncProto, false, params.len() as u32 / 2);
    btf.types.push(StrOff::EMPTY, info, result.0, params)
}
