//! `lookup NAMESPACES MEMBERS RUNS`: for each run a line with what [`panko_bench_lookup::measure`] returns.

fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let mut next = || numbers.next().and_then(Result::ok).filter(|number| *number > 0);
    let (Some(namespaces), Some(members), Some(runs)) = (next(), next(), next()) else {
        eprintln!("usage: lookup NAMESPACES MEMBERS RUNS");
        std::process::exit(2);
    };
    for _ in 0..runs {
        let numbers = panko_bench_lookup::measure(namespaces, members).map(|n| format!("{n:.2}"));
        println!("{}", numbers.join(" "));
    }
}
