//! pahole's options: one row each, all of them, so that abbreviations mean what they mean there and
//! so that it is known which argument belongs to an option. Those that only matter to what we leave
//! to another pahole have no words of ours.

use super::Id;
use crate::getopt::{Flag, Section, Value};

/// The options that encode, those that do not, what glibc's argp adds, and ours.
pub(super) static SECTIONS: [Section<Id>; 5] = [
    Section { heading: "Encoding:", abbreviable: true, flags: ENCODING },
    Section { heading: "Help:", abbreviable: true, flags: ARGP },
    Section { heading: "Added by kmill, to be written in full:", abbreviable: false, flags: ADDED },
    Section { heading: "For the next pahole in PATH:", abbreviable: true, flags: OTHER },
    Section { heading: "Of every argp program:", abbreviable: true, flags: HIDDEN },
];

/// How many of the sections people are shown in full.
pub(super) const SHOWN: usize = 3;

const ENCODING: &[Flag<Id>] = &[
    Flag::new(Id::Encode, &["btf_encode"]).short(b'J').rank(57).says("Write BTF", "Encode the debug info as BTF. Without --btf_encode_detached, the BTF goes into the file itself, into its section .BTF."),
    Flag::new(Id::Detached, &["btf_encode_detached"]).takes("FILENAME", Value::File).rank(58).says("Write BTF to this file", "Encode the debug info as BTF, into this file. A regular file appears whole or not at all; a device or a pipe is written straight. If nothing is to be encoded there is no file, and that is no failure."),
    Flag::new(Id::Features, &["btf_features"]).takes("FEATURE_LIST", Value::Text).rank(81).says("What parts of BTF to make", "Make only the parts of BTF that this list names, separated by commas; names that are not known are ignored. \"default\" stands for the nine features of a kernel build, and a list that begins with \"+\" adds to these. Further lists add what they name."),
    Flag::new(Id::FeaturesStrict, &["btf_features_strict"]).takes("FEATURE_LIST_STRICT", Value::Text).rank(83).says("The same; unknown names are errors", "As --btf_features, but a name that is not known is an error."),
    Flag::new(Id::Supported, &["supported_btf_features"]).rank(82).says("Show the known features", "Print the names of all features and exit."),
    Flag::new(Id::Base, &["btf_base"]).takes("PATH", Value::File).rank(54).says("BTF that this one goes on behind", "Encode only what this BTF does not have, and refer to it. The file is an ELF file with BTF, or holds BTF alone."),
    Flag::new(Id::KabiPrefix, &["kabi_prefix"]).takes("STRING", Value::Text).rank(55).says("Names that begin so become this", "Each name that begins with this prefix becomes the prefix."),
    Flag::new(Id::Jobs, &["jobs"]).short(b'j').may_take("N", Value::Text).rank(56).says("Threads (default: 1; without N: one per usable CPU)", "Use this many threads; without a number, one for each CPU that may be used. Without this option, one. The output does not depend on it. Under make -j, each thread beyond the first needs a token of make's jobserver: there may be fewer threads."),
    Flag::new(Id::Lang, &["lang"]).takes("LANGUAGES", Value::Text).rank(75).says("Only units in these languages", "Encode only compilation units in these languages, separated by commas."),
    Flag::new(Id::LangExclude, &["lang_exclude"]).takes("LANGUAGES", Value::Text).rank(76).says("No units in these languages", "Leave out compilation units in these languages, separated by commas."),
    Flag::new(Id::SkipVars, &["skip_encoding_btf_vars"]).rank(59).says("No variables", "Leave out variables."),
    Flag::new(Id::SkipDeclTag, &["skip_encoding_btf_decl_tag"]).rank(72).says("No tags of declarations", "Leave out attributes of declarations."),
    Flag::new(Id::SkipTypeTag, &["skip_encoding_btf_type_tag"]).rank(74).says("No tags of types", "Leave out attributes of types."),
    Flag::new(Id::SkipEnum64, &["skip_encoding_btf_enum64"]).rank(77).says("No enumerations above 32 bits", "Cut the values of enumerations to 32 bits."),
    Flag::new(Id::SkipInconsistent, &["skip_encoding_btf_inconsistent_proto"]).rank(80).says("No functions whose prototype is not certain", "Leave out functions with different prototypes under one name, or with parameters in unexpected registers."),
    Flag::new(Id::Force, &["btf_encode_force"]).rank(60).says("Leave out variables with bad names", "Leave out variables whose name or type BTF cannot have, and go on."),
    Flag::new(Id::Floats, &["btf_gen_floats"]).rank(61).says("Floating-point types", "Make floating-point types; else they are integers."),
    Flag::new(Id::NoEffect("btf_gen_optimized"), &["btf_gen_optimized"]).rank(79).says("Accepted; functions with suffixes are always there", "Accepted, without effect."),
    Flag::new(Id::All, &["btf_gen_all"]).rank(62).says("Accepted; switches all features off, as in pahole 1.31", "Switch all features off, as pahole 1.31 does in spite of the name."),
    Flag::new(Id::Attributes, &["btf_attributes"]).rank(86).says("Address spaces of arena pointers", "Make attributes that say in which address space pointers of kfuncs point."),
    Flag::new(Id::NoEffect("reproducible_build"), &["reproducible_build"]).rank(84).says("Accepted; output is always reproducible", "Accepted, without effect: the output depends on nothing but the input and the options."),
    Flag::new(Id::Verbose, &["verbose"]).short(b'V').rank(42).says("Say which features are ignored", "Say on standard error which names of features are ignored."),
    Flag::new(Id::NumericVersion, &["numeric_version"]).rank(67).says("Show the version as a number", "Print 131 and exit."),
];

const ARGP: &[Flag<Id>] = &[
    Flag::new(Id::Help, &["help"])
        .short(b'?')
        .rank(87)
        .says("Show this help", "Print a summary of the options and exit."),
    Flag::new(Id::Usage, &["usage"])
        .rank(89)
        .says("Show all options, without words", "Print the names of all options and exit."),
    Flag::new(Id::Version, &["version"]).rank(91).says(
        "Show the version",
        "Print v1.31, the version of pahole that this one equals, and exit.",
    ),
];

const ADDED: &[Flag<Id>] = &[
    Flag::new(Id::Threads, &["threads"])
        .takes("N", Value::Text)
        .says("Use N threads, whatever -j says", "Use this many threads, whatever -j says."),
    Flag::new(Id::Time, &["time"]).says(
        "Say how long each phase took",
        "Print to standard error how long each phase of the run took.",
    ),
    Flag::new(Id::DropSignature, &["drop-signature"]).says(
        "Take the signature off a signed module",
        "Without --btf_encode_detached: take the signature off a signed module, which it would not fit any more. Else a signed module is refused.",
    ),
    Flag::new(Id::FollowLinks, &["follow-links"]).says(
        "Write into a file with several links",
        "Without --btf_encode_detached: write into a file that has several (hard) links; the change is seen under all its names. Else such a file is refused.",
    ),
    Flag::new(Id::NoSync, &["no-sync"]).says(
        "Do not wait for the disk",
        "Without --btf_encode_detached: do not wait until the disk has what was written, before the file becomes the new one. It is the old one or the new one whenever the run is killed, but not when the power goes.",
    ),
];

const OTHER: &[Flag<Id>] = &[
    Flag::new(Id::Other("bit_holes"), &["bit_holes"])
        .short(b'B')
        .takes("NR_HOLES", Value::Text)
        .rank(0),
    Flag::new(Id::Other("cacheline_size"), &["cacheline_size"])
        .short(b'c')
        .takes("SIZE", Value::Text)
        .rank(1),
    Flag::new(Id::Other("class_name"), &["class_name"])
        .short(b'C')
        .takes("CLASS_NAME", Value::Text)
        .rank(2),
    Flag::new(Id::Other("count"), &["count"]).takes("COUNT", Value::Text).rank(3),
    Flag::new(Id::Other("skip"), &["skip"]).takes("COUNT", Value::Text).rank(4),
    Flag::new(Id::Other("seek_bytes"), &["seek_bytes"]).takes("BYTES", Value::Text).rank(5),
    Flag::new(Id::Other("size_bytes"), &["size_bytes"]).takes("BYTES", Value::Text).rank(6),
    Flag::new(Id::Other("range"), &["range"]).takes("STRUCT", Value::Text).rank(7),
    Flag::new(Id::Other("header_type"), &["header_type"]).takes("TYPE", Value::Text).rank(8),
    Flag::new(Id::Other("find_pointers_to"), &["find_pointers_to"])
        .short(b'f')
        .takes("CLASS_NAME", Value::Text)
        .rank(9),
    Flag::new(Id::Other("format_path"), &["format_path"])
        .short(b'F')
        .takes("FORMAT_LIST", Value::Text)
        .rank(10),
    Flag::new(Id::Other("contains"), &["contains"])
        .short(b'i')
        .takes("CLASS_NAME", Value::Text)
        .rank(11),
    Flag::new(Id::Other("contains_enumerator"), &["contains_enumerator"])
        .takes("ENUMERATOR", Value::Text)
        .rank(12),
    Flag::new(Id::Other("show_decl_info"), &["show_decl_info"]).short(b'I').rank(13),
    Flag::new(Id::Other("holes"), &["holes"]).short(b'H').takes("NR_HOLES", Value::Text).rank(14),
    Flag::new(Id::Other("padding_ge"), &["padding_ge"]).takes("SIZE_PADDING", Value::Text).rank(15),
    Flag::new(Id::Other("hole_size_ge"), &["hole_size_ge"])
        .short(b'z')
        .takes("HOLE_SIZE", Value::Text)
        .rank(16),
    Flag::new(Id::Other("packable"), &["packable"]).short(b'P').rank(17),
    Flag::new(Id::Other("with_flexible_array"), &["with_flexible_array"]).rank(18),
    Flag::new(Id::Other("with_embedded_flexible_array"), &["with_embedded_flexible_array"])
        .rank(19),
    Flag::new(Id::Other("expand_types"), &["expand_types"]).short(b'E').rank(20),
    Flag::new(Id::Other("nr_members"), &["nr_members"]).short(b'n').rank(21),
    Flag::new(Id::Other("rel_offset"), &["rel_offset"]).short(b'r').rank(22),
    Flag::new(Id::Other("recursive"), &["recursive"]).short(b'd').rank(23),
    Flag::new(Id::Other("reorganize"), &["reorganize"]).short(b'R').rank(24),
    Flag::new(Id::Other("show_reorg_steps"), &["show_reorg_steps"]).short(b'S').rank(25),
    Flag::new(Id::Other("class_name_len"), &["class_name_len"]).short(b'N').rank(26),
    Flag::new(
        Id::Other("show_first_biggest_size_base_type_member"),
        &["show_first_biggest_size_base_type_member"],
    )
    .short(b'l')
    .rank(27),
    Flag::new(Id::Other("nr_methods"), &["nr_methods"]).short(b'm').rank(28),
    Flag::new(Id::Other("show_only_data_members"), &["show_only_data_members"])
        .short(b'M')
        .rank(29),
    Flag::new(Id::Other("expand_pointers"), &["expand_pointers"]).short(b'p').rank(30),
    Flag::new(Id::Other("sizes"), &["sizes"]).short(b's').rank(31),
    Flag::new(Id::Other("separator"), &["separator"])
        .short(b't')
        .takes("SEP", Value::Text)
        .rank(32),
    Flag::new(Id::Other("nr_definitions"), &["nr_definitions"]).short(b'T').rank(33),
    Flag::new(Id::Other("decl_exclude"), &["decl_exclude"])
        .short(b'D')
        .takes("PREFIX", Value::Text)
        .rank(34),
    Flag::new(Id::Other("exclude"), &["exclude"]).short(b'x').takes("PREFIX", Value::Text).rank(35),
    Flag::new(Id::Other("prefix_filter"), &["prefix_filter"])
        .short(b'y')
        .takes("PREFIX", Value::Text)
        .rank(36),
    Flag::new(Id::Other("cu_exclude"), &["cu_exclude"])
        .short(b'X')
        .takes("PREFIX", Value::Text)
        .rank(37),
    Flag::new(Id::Other("anon_include"), &["anon_include"]).short(b'a').rank(38),
    Flag::new(Id::Other("nested_anon_include"), &["nested_anon_include"]).short(b'A').rank(39),
    Flag::new(Id::Other("quiet"), &["quiet"]).short(b'q').rank(40),
    Flag::new(Id::Other("defined_in"), &["defined_in"]).short(b'u').rank(41),
    Flag::new(Id::Other("word_size"), &["word_size"])
        .short(b'w')
        .takes("WORD_SIZE", Value::Text)
        .rank(43),
    Flag::new(Id::Other("ctf_encode"), &["ctf_encode"]).short(b'Z').rank(44),
    Flag::new(Id::Other("flat_arrays"), &["flat_arrays"]).rank(45),
    Flag::new(Id::Other("suppress_aligned_attribute"), &["suppress_aligned_attribute"]).rank(46),
    Flag::new(Id::Other("suppress_force_paddings"), &["suppress_force_paddings"]).rank(47),
    Flag::new(Id::Other("suppress_packed"), &["suppress_packed"]).rank(48),
    Flag::new(Id::Other("show_private_classes"), &["show_private_classes"]).rank(49),
    Flag::new(Id::Other("fixup_silly_bitfields"), &["fixup_silly_bitfields"]).rank(50),
    Flag::new(Id::Other("first_obj_only"), &["first_obj_only"]).rank(51),
    Flag::new(Id::Other("classes_as_structs"), &["classes_as_structs"]).rank(52),
    Flag::new(Id::Other("hex"), &["hex"]).rank(53),
    Flag::new(Id::Other("compile"), &["compile"]).rank(63),
    Flag::new(Id::Other("structs"), &["structs"]).rank(64),
    Flag::new(Id::Other("unions"), &["unions"]).rank(65),
    Flag::new(Id::Other("packed"), &["packed"]).rank(66),
    Flag::new(Id::Other("sort"), &["sort"]).rank(68),
    Flag::new(Id::Other("prettify"), &["prettify"]).takes("PATH", Value::File).rank(69),
    Flag::new(Id::Other("hashbits"), &["hashbits"]).takes("BITS", Value::Text).rank(70),
    Flag::new(Id::Other("ptr_table_stats"), &["ptr_table_stats"]).rank(71),
    Flag::new(Id::Other("skip_missing"), &["skip_missing"]).rank(73),
    Flag::new(Id::Other("skip_emitting_atomic_typedefs"), &["skip_emitting_atomic_typedefs"])
        .rank(78),
    Flag::new(Id::Other("running_kernel_vmlinux"), &["running_kernel_vmlinux"]).rank(85),
];

/// argp does not show them, but they count when a name is shortened.
const HIDDEN: &[Flag<Id>] = &[
    Flag::new(Id::NoEffect("program-name"), &["program-name"]).takes("NAME", Value::Text).rank(88),
    Flag::new(Id::NoEffect("HANG"), &["HANG"]).may_take("SECS", Value::Text).rank(90),
];
