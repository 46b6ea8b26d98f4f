//! A seed's program as files: `shared.h` with types for all, and the units, the last of which has what
//! compilers call without being asked, and the entry.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use modgen::rng::Rng;

use super::build::Taste;
use super::types::Types;
use super::unit;
use crate::Result;

/// What compilers call, and the beginning of the program.
const RUNTIME: &str = r#"
typedef __SIZE_TYPE__ size_t;
__attribute__((used)) void *memcpy(void *to, const void *from, size_t n)
{
    volatile char *t = to; const char *f = from;
    while (n--) *t++ = *f++;
    return to;
}
__attribute__((used)) void *memmove(void *to, const void *from, size_t n)
{
    return memcpy(to, from, n);
}
__attribute__((used)) void *memset(void *to, int c, size_t n)
{
    volatile char *t = to;
    while (n--) *t++ = c;
    return to;
}
__attribute__((used)) int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;
    while (n--) if (*x++ != *y++) return x[-1] - y[-1];
    return 0;
}
volatile long sink;
"#;

/// Writes the files; returns how many units there are.
pub(super) fn write(rng: &mut Rng, dir: &Path, taste: &Taste) -> Result<usize> {
    let types = Types::random(rng, taste);
    fs::write(dir.join("shared.h"), types.header())?;
    let units = rng.between(2, 5);
    let plan = unit::Plan::random(rng, &types);
    for number in 0..units {
        let text = unit::source(rng, &types, &plan, taste, number);
        fs::write(dir.join(format!("unit{number}.c")), text)?;
    }
    let mut last = RUNTIME.to_owned();
    for number in 0..units {
        let _ = writeln!(last, "extern void unit{number}_main(void);");
    }
    last += "__attribute__((used)) void entry(void)\n{\n";
    for number in 0..units {
        let _ = writeln!(last, "    unit{number}_main();");
    }
    last += "}\n";
    fs::write(dir.join(format!("unit{units}.c")), last)?;
    Ok(units + 1)
}
