//! Work near memory: one part of a job per NUMA node, and then one job per node at the same time,
//! as the kernel initialises its pages.
//!
//! `cargo run -p padata --release --example nodes`
#![expect(clippy::print_stdout, reason = "it is a program")]

use std::convert::Infallible;
use std::error::Error;

use padata::topology::Topology;
use padata::{Job, Part, Pool};

fn main() -> Result<(), Box<dyn Error>> {
    let pool = Pool::auto();
    let topology = Topology::read("/".as_ref())?;
    let per_node = 1_000_000_u64;
    let part = |index: usize, node| Part { start: index as u64 * per_node, units: per_node, node };
    let work = |chunk: padata::Chunk<'_, u64>| {
        std::hint::black_box(chunk.range().sum::<u64>());
        Ok::<_, Infallible>(())
    };

    let nodes = topology.nodes().iter().enumerate();
    let report = Job::parts(nodes.clone().map(|(index, node)| part(index, Some(node.id()))))
        .run(&pool, work)?;
    println!("one job, {} parts: {} units", topology.nodes().len(), report.units);

    pool.scope(|scope| {
        for (index, node) in nodes {
            let (pool, part) = (&pool, part(index, Some(node.id())));
            scope.spawn(move |_| {
                let report = Job::parts([part]).run(pool, work).expect("nothing fails here");
                println!("a job for node {}: {} units", node.id(), report.units);
            });
        }
    });
    Ok(())
}
