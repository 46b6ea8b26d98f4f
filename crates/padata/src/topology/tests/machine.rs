//! [`Topology`] on machines from one CPU to eight nodes.

use proptest::prelude::*;

use super::tree;
use crate::topology::{CpuId, CpuSet, Node, NodeId, Topology, TopologyError};

const SYSTEM: &str = "sys/devices/system";

fn set(list: &str) -> CpuSet {
    list.parse().unwrap()
}

fn sets(lists: &[&str]) -> Vec<CpuSet> {
    lists.iter().map(|list| set(list)).collect()
}

/// The topology that these files in `/sys/devices/system` give.
fn machine(files: &[(&str, &str)]) -> Topology {
    Topology::read(tree(SYSTEM, files.iter().copied()).path()).unwrap()
}

/// The message for these files, with the names as they would be in `/`.
fn error(files: &[(&str, &str)]) -> String {
    let root = tree(SYSTEM, files.iter().copied());
    let error = Topology::read(root.path()).unwrap_err();
    assert!(std::error::Error::source(&error).is_none());
    error.to_string().replace(root.path().to_str().unwrap(), "")
}

fn distances(topology: &Topology, node: usize) -> &[u32] {
    topology.nodes()[node].distances()
}

#[test]
fn two_nodes_with_two_threads_per_core() {
    let topology = machine(&[
        ("cpu/online", "0-7\n"),
        ("cpu/cpu0/topology/core_cpus_list", "0,4\n"),
        ("cpu/cpu1/topology/core_cpus_list", "1,5\n"),
        ("cpu/cpu2/topology/core_cpus_list", "2,6\n"),
        ("cpu/cpu3/topology/core_cpus_list", "3,7\n"),
        ("node/online", "0-1\n"),
        ("node/has_memory", "0-1\n"),
        ("node/node0/cpulist", "0-1,4-5\n"),
        ("node/node0/distance", "10 21\n"),
        ("node/node1/cpulist", "2-3,6-7\n"),
        ("node/node1/distance", "21 10\n"),
    ]);
    assert_eq!(topology.online(), &set("0-7"));
    assert_eq!(topology.cores(), sets(&["0,4", "1,5", "2,6", "3,7"]));
    let nodes: Vec<_> = topology.nodes().iter().map(|node| (node.id(), node.cpus())).collect();
    assert_eq!(nodes, [(NodeId(0), &set("0-1,4-5")), (NodeId(1), &set("2-3,6-7"))]);
    assert!(topology.nodes().iter().all(Node::has_memory));
    assert_eq!(distances(&topology, 1), [21, 10]);
    assert_eq!(topology.node_of(CpuId(6)), Some(NodeId(1)));
    assert_eq!(topology.node_of(CpuId(8)), None);
    assert_eq!(topology.cpus_near(NodeId(1)), Some(&set("2-3,6-7")));
    assert_eq!(topology.physical_cores(&set("0-7")), 4);
    assert_eq!(topology.physical_cores(&set("1,5-6,99")), 2);
}

/// Up to 8 nodes of 3 cores; the threads of a core have consecutive numbers.
#[test]
fn one_to_eight_nodes_with_one_to_four_threads_per_core() {
    for (nodes, threads) in (1..=8).flat_map(|nodes| [1, 2, 4].map(|threads| (nodes, threads))) {
        let range = |first: u32, count: u32| format!("{first}-{}\n", first + count - 1);
        let mut files = vec![
            ("cpu/online".to_owned(), range(0, nodes * 3 * threads)),
            ("node/online".to_owned(), range(0, nodes)),
        ];
        let cores: Vec<_> = (0..nodes * 3).map(|core| range(core * threads, threads)).collect();
        files.extend((0..).zip(&cores).map(|(core, list)| {
            (format!("cpu/cpu{}/topology/core_cpus_list", core * threads), list.clone())
        }));
        let cpus: Vec<_> = (0..nodes).map(|id| range(id * 3 * threads, 3 * threads)).collect();
        files.extend(
            (0..).zip(&cpus).map(|(id, list)| (format!("node/node{id}/cpulist"), list.clone())),
        );
        let topology = Topology::read(tree(SYSTEM, files).path()).unwrap();
        assert_eq!(topology.cores(), cores.iter().map(|list| set(list)).collect::<Vec<_>>());
        for (id, list) in (0..).map(NodeId).zip(&cpus) {
            let cpus = set(list);
            assert_eq!(topology.cpus_near(id), Some(&cpus));
            assert!(cpus.iter().all(|cpu| topology.node_of(cpu) == Some(id)));
        }
        assert_eq!(topology.cpus_near(NodeId(nodes)), None);
    }
}

#[test]
fn nodes_without_cpus() {
    let topology = machine(&[
        ("cpu/online", "0-1"),
        ("node/online", "0-4"),
        ("node/has_memory", "0,2-3"),
        ("node/node0/cpulist", "0"),
        ("node/node0/distance", "10 20 17 28 40"),
        ("node/node1/cpulist", "1"),
        ("node/node1/distance", "20 10 28 17 40"),
        ("node/node2/cpulist", "\n"), // memory alone, near node 0
        ("node/node2/distance", "17 28 10 28 40"),
        ("node/node3/cpulist", "\n"), // memory alone, near node 1
        ("node/node3/distance", "28 17 28 10 40"),
        ("node/node4/cpulist", "\n"), // neither, equally far from all
        ("node/node4/distance", "40 40 40 40 10"),
    ]);
    let memory: Vec<_> = topology.nodes().iter().map(Node::has_memory).collect();
    assert_eq!(memory, [true, false, true, true, false]);
    let near = |id| topology.cpus_near(NodeId(id)).map(CpuSet::to_string);
    assert_eq!([0, 1, 2, 3].map(near), ["0", "1", "0", "1"].map(|list| Some(list.to_owned())));
    assert_eq!(near(4), Some("0".to_owned()), "of equally near nodes the lowest");
    assert_eq!(near(5), None);
}

#[test]
fn distances_are_in_the_order_of_the_nodes() {
    let topology = machine(&[
        ("cpu/online", "0-1"),
        ("node/online", "3,8,250"),
        ("node/node3/cpulist", "0"),
        ("node/node3/distance", "10 20 30"),
        ("node/node8/cpulist", "1"),
        ("node/node8/distance", "20 10 17"),
        ("node/node250/cpulist", ""),
        ("node/node250/distance", "30 17 10"),
    ]);
    assert_eq!(topology.cpus_near(NodeId(250)), Some(&set("1")));
    assert_eq!(topology.node_of(CpuId(0)), Some(NodeId(3)));
}

#[test]
fn nothing_near_where_nothing_is_known() {
    let without_distances = machine(&[
        ("cpu/online", "0"),
        ("node/online", "0-1"),
        ("node/node0/cpulist", "0"),
        ("node/node1/cpulist", ""),
    ]);
    assert_eq!(without_distances.cpus_near(NodeId(0)), Some(&set("0")));
    assert_eq!(without_distances.cpus_near(NodeId(1)), None);
    // The container shows a CPU that no node has.
    let without_cpus = machine(&[
        ("cpu/online", "0"),
        ("node/online", "0"),
        ("node/node0/cpulist", "1"),
        ("node/node0/distance", "10"),
    ]);
    assert_eq!(without_cpus.cpus_near(NodeId(0)), None);
    assert_eq!(without_cpus.node_of(CpuId(0)), None);
}

#[test]
fn offline_cpus_are_nowhere() {
    let topology = machine(&[
        ("cpu/online", "0,2-3"),
        ("cpu/cpu0/topology/core_cpus_list", "0-1"),
        ("cpu/cpu1/topology/core_cpus_list", "0-1"),
        ("cpu/cpu2/topology/core_cpus_list", "2-3"),
        ("node/online", "0-1"),
        ("node/node0/cpulist", "0-1"),
        ("node/node1/cpulist", "2-3"),
    ]);
    assert_eq!(topology.cores(), sets(&["0", "2-3"]));
    assert_eq!(topology.nodes()[0].cpus(), &set("0"));
    assert_eq!(topology.node_of(CpuId(1)), None);
}

#[test]
fn kernels_without_some_files() {
    let smallest = machine(&[("cpu/online", "0-2")]);
    assert_eq!(smallest.cores(), sets(&["0", "1", "2"]));
    assert_eq!(smallest.cpus_near(NodeId(0)), Some(&set("0-2")));
    assert_eq!(smallest.cpus_near(NodeId(1)), None);
    assert_eq!((smallest.nodes().len(), distances(&smallest, 0)), (1, &[10][..]));
    assert!(smallest.nodes()[0].has_memory());

    let before_5_3 = machine(&[
        ("cpu/online", "0-3"),
        ("cpu/cpu0/topology/thread_siblings_list", "0-1"),
        ("cpu/cpu2/topology/thread_siblings_list", "2-3"),
    ]);
    assert_eq!(before_5_3.cores(), sets(&["0-1", "2-3"]));

    let nodes = [
        ("cpu/online", "0"),
        ("node/online", "0-1"),
        ("node/node0/cpulist", "0"),
        ("node/node1/cpulist", ""),
    ];
    let unknown_memory = machine(&nodes);
    assert!(unknown_memory.nodes().iter().all(Node::has_memory));
    let before_3_8 = machine(&[&nodes[..], &[("node/has_normal_memory", "0")]].concat());
    assert!(before_3_8.nodes()[0].has_memory() && !before_3_8.nodes()[1].has_memory());
}

#[test]
fn each_cpu_has_one_core_whatever_the_files_say() {
    let topology = machine(&[
        ("cpu/online", "0-4"),
        ("cpu/cpu0/topology/core_cpus_list", "0,2"),
        ("cpu/cpu1/topology/core_cpus_list", "0-3"),
        ("cpu/cpu4/topology/core_cpus_list", ""),
    ]);
    assert_eq!(topology.cores(), sets(&["0,2", "1,3", "4"]));
}

#[test]
fn errors_name_the_file_and_what_is_wrong() {
    assert_eq!(
        error(&[]),
        "cannot read /sys/devices/system/cpu/online: No such file or directory (os error 2)"
    );
    assert_eq!(
        error(&[("cpu/online", "\n")]),
        "cannot use /sys/devices/system/cpu/online: no CPU is online"
    );
    assert_eq!(
        error(&[("cpu/online", "0-3,zero")]),
        "cannot parse /sys/devices/system/cpu/online: `zero` is not a number or a range"
    );
    let siblings = "cpu/cpu0/topology/core_cpus_list";
    assert_eq!(
        error(&[("cpu/online", "0-3"), (siblings, "1-0")]),
        format!("cannot parse /sys/devices/system/{siblings}: `1-0` ends before it starts")
    );
    assert_eq!(
        error(&[("cpu/online", "0"), (&format!("{siblings}/directory"), "")]),
        format!("cannot read /sys/devices/system/{siblings}: Is a directory (os error 21)")
    );
    let nodes = [("cpu/online", "0"), ("node/online", "0-1"), ("node/node0/cpulist", "0")];
    assert_eq!(
        error(&nodes),
        "cannot read /sys/devices/system/node/node1/cpulist: No such file or directory (os error 2)"
    );
    for distances in ["10", "10 20 30", "10 near", "10 -1"] {
        assert_eq!(
            error(&[&nodes[..], &[("node/node0/distance", distances)]].concat()),
            format!(
                "cannot parse /sys/devices/system/node/node0/distance: `{distances}` is not a \
                 distance to each of 2 nodes"
            )
        );
    }
    for list in ["node/online", "node/has_memory", "node/node0/cpulist"] {
        let message = error(&[&nodes[..], &[(list, "70000")]].concat());
        let expected = format!("/{list}: `70000` has a number above 65535");
        assert!(message.ends_with(&expected), "{message}");
    }
}

#[test]
fn files_that_are_no_text() {
    let read = |online: &[u8]| Topology::read(tree(SYSTEM, [("cpu/online", online)]).path());
    assert!(matches!(read(b"0-\xff"), Err(TopologyError::Read { .. })));
    assert!(matches!(read(&vec![b' '; 1 << 20]), Err(TopologyError::Read { .. })), "too long");
}

#[test]
fn this_machine() {
    // Where there is no /sys, there is nothing to see.
    if let Ok(topology) = Topology::read("/".as_ref()) {
        let all = topology.cores().iter().flat_map(CpuSet::iter).collect::<CpuSet>();
        assert_eq!(&all, topology.online());
    }
}

#[test]
fn cores_before_siblings() {
    let topology = machine(&[
        ("cpu/online", "0-7"),
        ("cpu/cpu0/topology/core_cpus_list", "0,4"),
        ("cpu/cpu1/topology/core_cpus_list", "1,5"),
        ("cpu/cpu2/topology/core_cpus_list", "2,6"),
        ("cpu/cpu3/topology/core_cpus_list", "3,7"),
    ]);
    let spread = |allowed, threads, here: Option<u32>| {
        topology.spread(&set(allowed), threads, here.map(CpuId)).to_string()
    };
    assert_eq!(spread("0-7", 4, None), "0-3");
    assert_eq!(spread("0-7", 2, None), "0-3", "the scheduler chooses among the cores");
    assert_eq!(spread("0-7", 4, Some(6)), "0-1,3,6");
    assert_eq!(spread("0-7", 5, Some(6)), "0-7", "siblings are needed");
    assert_eq!(spread("0-2,5", 3, Some(4)), "0-2", "here is not allowed");
    assert_eq!(spread("2-5", 4, Some(3)), "2-5", "no core has two");
    assert_eq!(spread("5,9", 1, Some(9)), "5,9");
    assert_eq!(spread("", 1, None), "");
}

proptest! {
    #[test]
    fn spread_is_one_cpu_per_core_or_all(
        core_of in prop::collection::vec(0..6_usize, 1..20),
        allowed in prop::collection::vec(0..22_u32, 0..22),
        threads in 0..8_usize,
        here in prop::option::of(0..22_u32),
    ) {
        let mut cores = vec![CpuSet::new(); 6];
        for (cpu, &core) in (0..).map(CpuId).zip(&core_of) {
            cores[core].insert(cpu);
        }
        cores.retain(|core| !core.is_empty());
        cores.sort_by_key(CpuSet::first);
        let online: CpuSet = (0..).map(CpuId).take(core_of.len()).collect();
        let topology = Topology { online, cores, nodes: Vec::new() };
        let allowed: CpuSet = allowed.into_iter().map(CpuId).collect();
        let here = here.map(CpuId);

        let spread = topology.spread(&allowed, threads, here);
        let usable = || topology.cores().iter().map(|core| core.intersection(&allowed));
        let usable_cores = usable().filter(|core| !core.is_empty()).count();
        prop_assert_eq!(topology.physical_cores(&allowed), usable_cores);
        if threads <= usable_cores && usable().any(|core| core.len() > 1) {
            for core in usable() {
                let chosen = core.intersection(&spread);
                let kept = here.filter(|&here| core.contains(here)).or(core.first());
                prop_assert_eq!(chosen, kept.into_iter().collect());
            }
            prop_assert_eq!(spread.len(), usable_cores);
        } else {
            prop_assert_eq!(spread, allowed);
        }
    }
}
