//! Speed of the engine, as a table: `cargo bench`. `writepath bench` measures and prints the same.

fn main() {
    let cases = writepath::bench::run_all(&mut |name| eprintln!("measuring {name}"));
    print!("{}", writepath::bench::table(&cases));
}
