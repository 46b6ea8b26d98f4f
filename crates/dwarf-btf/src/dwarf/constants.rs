//! The standard's numbers (DWARF 5, section 7), as far as they are looked at.

#![allow(dead_code, reason = "a table of the format")]

/// Tags (table 7.3).
pub(crate) mod tag {
    pub(crate) const ARRAY_TYPE: u16 = 0x01;
    pub(crate) const CLASS_TYPE: u16 = 0x02;
    pub(crate) const ENUMERATION_TYPE: u16 = 0x04;
    pub(crate) const FORMAL_PARAMETER: u16 = 0x05;
    pub(crate) const IMPORTED_DECLARATION: u16 = 0x08;
    pub(crate) const LABEL: u16 = 0x0a;
    pub(crate) const LEXICAL_BLOCK: u16 = 0x0b;
    pub(crate) const MEMBER: u16 = 0x0d;
    pub(crate) const POINTER_TYPE: u16 = 0x0f;
    pub(crate) const REFERENCE_TYPE: u16 = 0x10;
    pub(crate) const COMPILE_UNIT: u16 = 0x11;
    pub(crate) const STRING_TYPE: u16 = 0x12;
    pub(crate) const STRUCTURE_TYPE: u16 = 0x13;
    pub(crate) const SUBROUTINE_TYPE: u16 = 0x15;
    pub(crate) const TYPEDEF: u16 = 0x16;
    pub(crate) const UNION_TYPE: u16 = 0x17;
    pub(crate) const UNSPECIFIED_PARAMETERS: u16 = 0x18;
    pub(crate) const VARIANT: u16 = 0x19;
    pub(crate) const INHERITANCE: u16 = 0x1c;
    pub(crate) const INLINED_SUBROUTINE: u16 = 0x1d;
    pub(crate) const PTR_TO_MEMBER_TYPE: u16 = 0x1f;
    pub(crate) const SUBRANGE_TYPE: u16 = 0x21;
    pub(crate) const BASE_TYPE: u16 = 0x24;
    pub(crate) const CONST_TYPE: u16 = 0x26;
    pub(crate) const CONSTANT: u16 = 0x27;
    pub(crate) const ENUMERATOR: u16 = 0x28;
    pub(crate) const SUBPROGRAM: u16 = 0x2e;
    pub(crate) const TEMPLATE_TYPE_PARAMETER: u16 = 0x2f;
    pub(crate) const TEMPLATE_VALUE_PARAMETER: u16 = 0x30;
    pub(crate) const VARIANT_PART: u16 = 0x33;
    pub(crate) const VARIABLE: u16 = 0x34;
    pub(crate) const VOLATILE_TYPE: u16 = 0x35;
    pub(crate) const DWARF_PROCEDURE: u16 = 0x36;
    pub(crate) const RESTRICT_TYPE: u16 = 0x37;
    pub(crate) const INTERFACE_TYPE: u16 = 0x38;
    pub(crate) const NAMESPACE: u16 = 0x39;
    pub(crate) const IMPORTED_MODULE: u16 = 0x3a;
    pub(crate) const UNSPECIFIED_TYPE: u16 = 0x3b;
    pub(crate) const PARTIAL_UNIT: u16 = 0x3c;
    pub(crate) const IMPORTED_UNIT: u16 = 0x3d;
    pub(crate) const TYPE_UNIT: u16 = 0x41;
    pub(crate) const RVALUE_REFERENCE_TYPE: u16 = 0x42;
    pub(crate) const ATOMIC_TYPE: u16 = 0x47;
    pub(crate) const CALL_SITE: u16 = 0x48;
    pub(crate) const CALL_SITE_PARAMETER: u16 = 0x49;
    pub(crate) const SKELETON_UNIT: u16 = 0x4a;
    pub(crate) const GNU_TEMPLATE_TEMPLATE_PARAM: u16 = 0x4106;
    pub(crate) const GNU_TEMPLATE_PARAMETER_PACK: u16 = 0x4107;
    pub(crate) const GNU_FORMAL_PARAMETER_PACK: u16 = 0x4108;
    pub(crate) const GNU_CALL_SITE: u16 = 0x4109;
    pub(crate) const GNU_CALL_SITE_PARAMETER: u16 = 0x410a;
    pub(crate) const LLVM_ANNOTATION: u16 = 0x6000;
    pub(crate) const GNU_ANNOTATION: u16 = 0x6001;
}

/// Attributes (table 7.5).
pub(crate) mod at {
    pub(crate) const SIBLING: u16 = 0x01;
    pub(crate) const LOCATION: u16 = 0x02;
    pub(crate) const NAME: u16 = 0x03;
    pub(crate) const BYTE_SIZE: u16 = 0x0b;
    pub(crate) const BIT_OFFSET: u16 = 0x0c;
    pub(crate) const BIT_SIZE: u16 = 0x0d;
    pub(crate) const LOW_PC: u16 = 0x11;
    pub(crate) const LANGUAGE: u16 = 0x13;
    pub(crate) const IMPORT: u16 = 0x18;
    pub(crate) const CONST_VALUE: u16 = 0x1c;
    pub(crate) const INLINE: u16 = 0x20;
    pub(crate) const PRODUCER: u16 = 0x25;
    pub(crate) const UPPER_BOUND: u16 = 0x2f;
    pub(crate) const ABSTRACT_ORIGIN: u16 = 0x31;
    pub(crate) const ARTIFICIAL: u16 = 0x34;
    pub(crate) const CALLING_CONVENTION: u16 = 0x36;
    pub(crate) const COUNT: u16 = 0x37;
    pub(crate) const DATA_MEMBER_LOCATION: u16 = 0x38;
    pub(crate) const DECLARATION: u16 = 0x3c;
    pub(crate) const ENCODING: u16 = 0x3e;
    pub(crate) const EXTERNAL: u16 = 0x3f;
    pub(crate) const SPECIFICATION: u16 = 0x47;
    pub(crate) const TYPE: u16 = 0x49;
    pub(crate) const DATA_BIT_OFFSET: u16 = 0x6b;
    pub(crate) const STR_OFFSETS_BASE: u16 = 0x72;
    pub(crate) const ADDR_BASE: u16 = 0x73;
    pub(crate) const ALIGNMENT: u16 = 0x88;
    pub(crate) const LOCLISTS_BASE: u16 = 0x8c;
    pub(crate) const GNU_ADDR_BASE: u16 = 0x2133;
    pub(crate) const GNU_ANNOTATION: u16 = 0x2139;
}

/// Forms (table 7.6).
pub(crate) mod form {
    pub(crate) const ADDR: u16 = 0x01;
    pub(crate) const BLOCK2: u16 = 0x03;
    pub(crate) const BLOCK4: u16 = 0x04;
    pub(crate) const DATA2: u16 = 0x05;
    pub(crate) const DATA4: u16 = 0x06;
    pub(crate) const DATA8: u16 = 0x07;
    pub(crate) const STRING: u16 = 0x08;
    pub(crate) const BLOCK: u16 = 0x09;
    pub(crate) const BLOCK1: u16 = 0x0a;
    pub(crate) const DATA1: u16 = 0x0b;
    pub(crate) const FLAG: u16 = 0x0c;
    pub(crate) const SDATA: u16 = 0x0d;
    pub(crate) const STRP: u16 = 0x0e;
    pub(crate) const UDATA: u16 = 0x0f;
    pub(crate) const REF_ADDR: u16 = 0x10;
    pub(crate) const REF1: u16 = 0x11;
    pub(crate) const REF2: u16 = 0x12;
    pub(crate) const REF4: u16 = 0x13;
    pub(crate) const REF8: u16 = 0x14;
    pub(crate) const REF_UDATA: u16 = 0x15;
    pub(crate) const INDIRECT: u16 = 0x16;
    pub(crate) const SEC_OFFSET: u16 = 0x17;
    pub(crate) const EXPRLOC: u16 = 0x18;
    pub(crate) const FLAG_PRESENT: u16 = 0x19;
    pub(crate) const STRX: u16 = 0x1a;
    pub(crate) const ADDRX: u16 = 0x1b;
    pub(crate) const REF_SUP4: u16 = 0x1c;
    pub(crate) const STRP_SUP: u16 = 0x1d;
    pub(crate) const DATA16: u16 = 0x1e;
    pub(crate) const LINE_STRP: u16 = 0x1f;
    pub(crate) const REF_SIG8: u16 = 0x20;
    pub(crate) const IMPLICIT_CONST: u16 = 0x21;
    pub(crate) const LOCLISTX: u16 = 0x22;
    pub(crate) const RNGLISTX: u16 = 0x23;
    pub(crate) const REF_SUP8: u16 = 0x24;
    pub(crate) const STRX1: u16 = 0x25;
    pub(crate) const STRX2: u16 = 0x26;
    pub(crate) const STRX3: u16 = 0x27;
    pub(crate) const STRX4: u16 = 0x28;
    pub(crate) const ADDRX1: u16 = 0x29;
    pub(crate) const ADDRX2: u16 = 0x2a;
    pub(crate) const ADDRX3: u16 = 0x2b;
    pub(crate) const ADDRX4: u16 = 0x2c;
    pub(crate) const GNU_ADDR_INDEX: u16 = 0x1f01;
    pub(crate) const GNU_STR_INDEX: u16 = 0x1f02;
    pub(crate) const GNU_REF_ALT: u16 = 0x1f20;
    pub(crate) const GNU_STRP_ALT: u16 = 0x1f21;
}

/// Encodings of base types (table 7.11).
pub(crate) mod ate {
    pub(crate) const BOOLEAN: u64 = 0x02;
    pub(crate) const COMPLEX_FLOAT: u64 = 0x03;
    pub(crate) const FLOAT: u64 = 0x04;
    pub(crate) const SIGNED: u64 = 0x05;
    pub(crate) const SIGNED_CHAR: u64 = 0x06;
    pub(crate) const IMAGINARY_FLOAT: u64 = 0x09;
}

/// Operations of expressions (table 7.9).
pub(crate) mod op {
    pub(crate) const ADDR: u8 = 0x03;
    pub(crate) const CONSTU: u8 = 0x10;
    pub(crate) const CONSTS: u8 = 0x11;
    pub(crate) const PLUS_UCONST: u8 = 0x23;
    pub(crate) const LIT0: u8 = 0x30;
    pub(crate) const LIT31: u8 = 0x4f;
    pub(crate) const REG0: u8 = 0x50;
    pub(crate) const REG31: u8 = 0x6f;
    pub(crate) const BREG0: u8 = 0x70;
    pub(crate) const BREG31: u8 = 0x8f;
    pub(crate) const FBREG: u8 = 0x91;
    pub(crate) const PIECE: u8 = 0x93;
    pub(crate) const STACK_VALUE: u8 = 0x9f;
    pub(crate) const ADDRX: u8 = 0xa1;
    pub(crate) const ENTRY_VALUE: u8 = 0xa3;
    pub(crate) const GNU_ENTRY_VALUE: u8 = 0xf3;
    pub(crate) const GNU_ADDR_INDEX: u8 = 0xfb;
}

/// Calling conventions (table 7.18).
pub(crate) mod cc {
    pub(crate) const NOCALL: u64 = 0x03;
}

/// Languages (table 7.17).
pub(crate) mod lang {
    pub(crate) const C89: u64 = 0x01;
    pub(crate) const C: u64 = 0x02;
    pub(crate) const C_PLUS_PLUS: u64 = 0x04;
    pub(crate) const C99: u64 = 0x0c;
    pub(crate) const C_PLUS_PLUS_03: u64 = 0x19;
    pub(crate) const C_PLUS_PLUS_11: u64 = 0x1a;
    pub(crate) const RUST: u64 = 0x1c;
    pub(crate) const C11: u64 = 0x1d;
    pub(crate) const C_PLUS_PLUS_14: u64 = 0x21;
    pub(crate) const ASSEMBLER: u64 = 0x8001;
}
