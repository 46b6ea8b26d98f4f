//! The numbers of the format: kinds, the `info` word, headers, limits.
//!
//! Source: the kernel's `include/uapi/linux/btf.h` and `Documentation/bpf/btf.rst`. A blob is a
//! header, then types one behind another, then NUL-terminated strings; every number is 32 bits in
//! the byte order of the machine that the program is for.

/// The first two bytes of a blob, read in its own byte order.
pub const MAGIC: u16 = 0xeb9f;

/// The only version there is.
pub const VERSION: u8 = 1;

/// Bytes of the header that kernels and pahole up to 1.31 write.
pub const HEADER_LEN: u32 = 24;

/// Bytes of the header since libbpf 1.8: `layout_off` and `layout_len` follow.
pub const HEADER_LEN_LAYOUT: u32 = 32;

/// The kernel's limit on type ids, those of the base included.
pub const MAX_TYPES: u32 = 0xf_ffff;

/// The kernel's limit on offsets of strings.
pub const MAX_NAME_OFFSET: u32 = 0xff_ffff;

/// The kernel's limit on members, values and parameters.
pub const MAX_VLEN: u32 = 0xffff;

/// The kernel's limit on what BPF_BTF_LOAD takes, in bytes.
pub const MAX_SIZE: u32 = 16 << 20;

/// The longest name the kernel takes (`KSYM_NAME_LEN`), without its NUL.
pub const MAX_NAME_LEN: usize = 512;

/// What a type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// An integer; one more word says its encoding, offset and bits.
    Int = 1,
    /// A pointer.
    Ptr = 2,
    /// An array: element, index type, number of elements.
    Array = 3,
    /// A structure with its members.
    Struct = 4,
    /// A union with its members.
    Union = 5,
    /// An enumeration of 32-bit values.
    Enum = 6,
    /// A declared structure or union (kind flag).
    Fwd = 7,
    /// A typedef.
    Typedef = 8,
    /// `volatile`.
    Volatile = 9,
    /// `const`.
    Const = 10,
    /// `restrict`.
    Restrict = 11,
    /// A function: its prototype; linkage where others count.
    Func = 12,
    /// A prototype: return type and parameters.
    FuncProto = 13,
    /// A variable; one more word is its linkage.
    Var = 14,
    /// A section and the variables in it.
    Datasec = 15,
    /// A floating-point number.
    Float = 16,
    /// An attribute of a declaration; one more word is the component's index, or -1.
    DeclTag = 17,
    /// An attribute of a type.
    TypeTag = 18,
    /// An enumeration of 64-bit values.
    Enum64 = 19,
}

impl Kind {
    /// Every kind, by number.
    pub const ALL: [Kind; 19] = [
        Kind::Int,
        Kind::Ptr,
        Kind::Array,
        Kind::Struct,
        Kind::Union,
        Kind::Enum,
        Kind::Fwd,
        Kind::Typedef,
        Kind::Volatile,
        Kind::Const,
        Kind::Restrict,
        Kind::Func,
        Kind::FuncProto,
        Kind::Var,
        Kind::Datasec,
        Kind::Float,
        Kind::DeclTag,
        Kind::TypeTag,
        Kind::Enum64,
    ];

    /// The kind of that number.
    pub const fn of(number: u32) -> Option<Kind> {
        match number {
            1..=19 => Some(Kind::ALL[number as usize - 1]),
            _ => None,
        }
    }

    /// Words behind the common three: fixed ones, and those of each of `vlen` entries.
    pub const fn extra_words(self) -> (usize, usize) {
        match self {
            Kind::Int | Kind::Var | Kind::DeclTag => (1, 0),
            Kind::Array => (3, 0),
            Kind::Struct | Kind::Union | Kind::Datasec | Kind::Enum64 => (0, 3),
            Kind::Enum | Kind::FuncProto => (0, 2),
            _ => (0, 0),
        }
    }

    /// Whether the third common word is a type's id and not a size.
    pub const fn has_target(self) -> bool {
        matches!(
            self,
            Kind::Ptr
                | Kind::Typedef
                | Kind::Volatile
                | Kind::Const
                | Kind::Restrict
                | Kind::Func
                | Kind::FuncProto
                | Kind::Var
                | Kind::DeclTag
                | Kind::TypeTag
        )
    }

    /// Whether this is a structure or a union.
    pub const fn is_composite(self) -> bool {
        matches!(self, Kind::Struct | Kind::Union)
    }

    /// Whether this is an enumeration.
    pub const fn is_enum(self) -> bool {
        matches!(self, Kind::Enum | Kind::Enum64)
    }

    /// The name that `bpftool btf dump` prints.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Int => "INT",
            Kind::Ptr => "PTR",
            Kind::Array => "ARRAY",
            Kind::Struct => "STRUCT",
            Kind::Union => "UNION",
            Kind::Enum => "ENUM",
            Kind::Fwd => "FWD",
            Kind::Typedef => "TYPEDEF",
            Kind::Volatile => "VOLATILE",
            Kind::Const => "CONST",
            Kind::Restrict => "RESTRICT",
            Kind::Func => "FUNC",
            Kind::FuncProto => "FUNC_PROTO",
            Kind::Var => "VAR",
            Kind::Datasec => "DATASEC",
            Kind::Float => "FLOAT",
            Kind::DeclTag => "DECL_TAG",
            Kind::TypeTag => "TYPE_TAG",
            Kind::Enum64 => "ENUM64",
        }
    }
}

/// The `info` word: entries in the low 24 bits (16 until 2026), kind in the next 7, the kind's
/// flag on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Info(pub u32);

impl Info {
    /// Packs the word. `vlen` must be below 2^24.
    pub const fn new(kind: Kind, flag: bool, vlen: u32) -> Info {
        Info(vlen | (kind as u32) << 24 | (flag as u32) << 31)
    }

    /// The kind's number.
    pub const fn kind(self) -> u32 {
        self.0 >> 24 & 0x7f
    }

    /// Number of entries; linkage in a function.
    pub const fn vlen(self) -> u32 {
        self.0 & 0xff_ffff
    }

    /// The kind's flag.
    pub const fn flag(self) -> bool {
        self.0 >> 31 != 0
    }
}

/// Encoding of an integer: the top byte of its extra word.
pub mod int {
    /// Two's complement.
    pub const SIGNED: u32 = 1;
    /// A character. No compiler's kernel has one.
    pub const CHAR: u32 = 2;
    /// A boolean.
    pub const BOOL: u32 = 4;
}

/// Linkage of variables and functions.
pub mod linkage {
    /// `static`.
    pub const STATIC: u32 = 0;
    /// Defined and visible elsewhere.
    pub const GLOBAL: u32 = 1;
    /// Defined elsewhere.
    pub const EXTERN: u32 = 2;
}

/// Byte order of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Endian {
    /// Least significant byte first.
    #[default]
    Little,
    /// Most significant byte first.
    Big,
}

impl Endian {
    /// A word in this order.
    pub const fn word(self, bytes: [u8; 4]) -> u32 {
        match self {
            Endian::Little => u32::from_le_bytes(bytes),
            Endian::Big => u32::from_be_bytes(bytes),
        }
    }

    /// A word's bytes in this order.
    pub const fn bytes(self, word: u32) -> [u8; 4] {
        match self {
            Endian::Little => word.to_le_bytes(),
            Endian::Big => word.to_be_bytes(),
        }
    }
}
