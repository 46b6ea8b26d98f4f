//! Writes a random file: `random SEED FILE`.
fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let seed = args.get(1).and_then(|seed| seed.parse().ok()).unwrap_or_default();
    let path = args.get(2).map_or("random.elf", String::as_str);
    std::fs::write(path, dwarfgen::random::random_file(seed).to_bytes())
}
