//! The standard's numbers (DWARF 5, section 7) that the generator writes.
#![expect(missing_docs, reason = "the names are the documentation")]

/// Tags (table 7.3).
pub mod tag {
    pub const ARRAY_TYPE: u16 = 0x01;
    pub const CLASS_TYPE: u16 = 0x02;
    pub const ENUMERATION_TYPE: u16 = 0x04;
    pub const FORMAL_PARAMETER: u16 = 0x05;
    pub const LABEL: u16 = 0x0a;
    pub const LEXICAL_BLOCK: u16 = 0x0b;
    pub const MEMBER: u16 = 0x0d;
    pub const POINTER_TYPE: u16 = 0x0f;
    pub const REFERENCE_TYPE: u16 = 0x10;
    pub const COMPILE_UNIT: u16 = 0x11;
    pub const STRING_TYPE: u16 = 0x12;
    pub const STRUCTURE_TYPE: u16 = 0x13;
    pub const SUBROUTINE_TYPE: u16 = 0x15;
    pub const TYPEDEF: u16 = 0x16;
    pub const UNION_TYPE: u16 = 0x17;
    pub const UNSPECIFIED_PARAMETERS: u16 = 0x18;
    pub const INHERITANCE: u16 = 0x1c;
    pub const INLINED_SUBROUTINE: u16 = 0x1d;
    pub const PTR_TO_MEMBER_TYPE: u16 = 0x1f;
    pub const SUBRANGE_TYPE: u16 = 0x21;
    pub const BASE_TYPE: u16 = 0x24;
    pub const CONST_TYPE: u16 = 0x26;
    pub const ENUMERATOR: u16 = 0x28;
    pub const SUBPROGRAM: u16 = 0x2e;
    pub const VARIABLE: u16 = 0x34;
    pub const VOLATILE_TYPE: u16 = 0x35;
    pub const RESTRICT_TYPE: u16 = 0x37;
    pub const INTERFACE_TYPE: u16 = 0x38;
    pub const NAMESPACE: u16 = 0x39;
    pub const UNSPECIFIED_TYPE: u16 = 0x3b;
    pub const PARTIAL_UNIT: u16 = 0x3c;
    pub const IMPORTED_UNIT: u16 = 0x3d;
    pub const RVALUE_REFERENCE_TYPE: u16 = 0x42;
    pub const ATOMIC_TYPE: u16 = 0x47;
    pub const CALL_SITE: u16 = 0x48;
    pub const LLVM_ANNOTATION: u16 = 0x6000;
    pub const GNU_ANNOTATION: u16 = 0x6001;
}

/// Attributes (table 7.5).
pub mod at {
    pub const SIBLING: u16 = 0x01;
    pub const LOCATION: u16 = 0x02;
    pub const NAME: u16 = 0x03;
    pub const BYTE_SIZE: u16 = 0x0b;
    pub const BIT_OFFSET: u16 = 0x0c;
    pub const BIT_SIZE: u16 = 0x0d;
    pub const LOW_PC: u16 = 0x11;
    pub const LANGUAGE: u16 = 0x13;
    pub const CONST_VALUE: u16 = 0x1c;
    pub const INLINE: u16 = 0x20;
    pub const PRODUCER: u16 = 0x25;
    pub const UPPER_BOUND: u16 = 0x2f;
    pub const ABSTRACT_ORIGIN: u16 = 0x31;
    pub const ARTIFICIAL: u16 = 0x34;
    pub const CALLING_CONVENTION: u16 = 0x36;
    pub const COUNT: u16 = 0x37;
    pub const DATA_MEMBER_LOCATION: u16 = 0x38;
    pub const DECLARATION: u16 = 0x3c;
    pub const ENCODING: u16 = 0x3e;
    pub const EXTERNAL: u16 = 0x3f;
    pub const SPECIFICATION: u16 = 0x47;
    pub const TYPE: u16 = 0x49;
    pub const LINKAGE_NAME: u16 = 0x6e;
    pub const DATA_BIT_OFFSET: u16 = 0x6b;
    pub const STR_OFFSETS_BASE: u16 = 0x72;
    pub const ALIGNMENT: u16 = 0x88;
    pub const LOCLISTS_BASE: u16 = 0x8c;
    pub const GNU_VECTOR: u16 = 0x2107;
    pub const GNU_ANNOTATION: u16 = 0x2139;
}

/// Forms (table 7.6).
pub mod form {
    pub const ADDR: u16 = 0x01;
    pub const BLOCK1: u16 = 0x0a;
    pub const DATA1: u16 = 0x0b;
    pub const DATA2: u16 = 0x05;
    pub const DATA4: u16 = 0x06;
    pub const DATA8: u16 = 0x07;
    pub const STRING: u16 = 0x08;
    pub const FLAG: u16 = 0x0c;
    pub const SDATA: u16 = 0x0d;
    pub const STRP: u16 = 0x0e;
    pub const UDATA: u16 = 0x0f;
    pub const REF_ADDR: u16 = 0x10;
    pub const REF1: u16 = 0x11;
    pub const REF2: u16 = 0x12;
    pub const REF4: u16 = 0x13;
    pub const REF8: u16 = 0x14;
    pub const REF_UDATA: u16 = 0x15;
    pub const INDIRECT: u16 = 0x16;
    pub const SEC_OFFSET: u16 = 0x17;
    pub const EXPRLOC: u16 = 0x18;
    pub const FLAG_PRESENT: u16 = 0x19;
    pub const STRX: u16 = 0x1a;
    pub const LINE_STRP: u16 = 0x1f;
    pub const IMPLICIT_CONST: u16 = 0x21;
    pub const LOCLISTX: u16 = 0x22;
}

/// Encodings of base types (table 7.11).
pub mod ate {
    pub const BOOLEAN: u64 = 0x02;
    pub const COMPLEX_FLOAT: u64 = 0x03;
    pub const FLOAT: u64 = 0x04;
    pub const SIGNED: u64 = 0x05;
    pub const SIGNED_CHAR: u64 = 0x06;
    pub const UNSIGNED: u64 = 0x07;
    pub const UNSIGNED_CHAR: u64 = 0x08;
}

/// Operations (table 7.9).
pub mod op {
    pub const ADDR: u8 = 0x03;
    pub const PLUS_UCONST: u8 = 0x23;
    pub const REG0: u8 = 0x50;
    pub const FBREG: u8 = 0x91;
    pub const STACK_VALUE: u8 = 0x9f;
    pub const ENTRY_VALUE: u8 = 0xa3;
    pub const GNU_ENTRY_VALUE: u8 = 0xf3;
}

/// Languages (table 7.17).
pub mod lang {
    pub const C11: u64 = 0x1d;
    pub const RUST: u64 = 0x1c;
}
