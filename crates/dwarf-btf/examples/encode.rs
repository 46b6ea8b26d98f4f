//! Encodes a file: `encode INPUT OUTPUT [THREADS]`.
use dwarf_btf::{Encoded, Features, Options, encode};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let image = std::fs::read(&args[1]).unwrap();
    let threads = args.get(3).map_or(1, |n| n.parse().unwrap());
    let pool = padata::Pool::new(std::num::NonZeroUsize::new(threads).unwrap());
    let options =
        Options { features: Features::standard(), lang_exclude: vec![0x1c], ..Options::default() };
    let start = std::time::Instant::now();
    match encode(&pool, &image, &options).unwrap() {
        Encoded::Blob(blob) => std::fs::write(&args[2], blob).unwrap(),
        Encoded::Nothing(why) => eprintln!("nothing: {why}"),
    }
    eprintln!("{:?}", start.elapsed());
}
