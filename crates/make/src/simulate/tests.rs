use std::collections::BTreeMap;

use super::*;

/// 0 <- 1, 0 <- 2, {1, 2} <- 3; and 4 by itself.
fn simulator(seconds: [u64; 5]) -> Simulator {
    Simulator {
        timing: Timing {
            names: ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(),
            dependencies: vec![vec![], vec![0], vec![0], vec![1, 2], vec![]],
            measured: seconds.map(|each| Some(Duration::from_secs(each))).to_vec(),
        },
        parts: (0..5).map(|_| Parts::default()).collect(),
    }
}

fn builds(simulation: &GraphSimulation) -> Vec<(&str, usize, f64, f64)> {
    let packages = simulation.packages.iter();
    let build = packages.map(|each| (each.name.as_str(), each.worker, each.start, each.end));
    build.collect()
}

#[test]
fn the_longest_way_is_the_time_with_enough_workers_and_all_work_the_time_with_one() {
    let simulator = simulator([10, 20, 30, 40, 60]);
    for (workers, seconds, speed_up, utilisation, shared) in
        [(1, 160.0, 1.0, 1.0, 160.0), (4, 80.0, 2.0, 0.5, 40.0)]
    {
        let run = simulator.simulate(&vec![1.0; workers], true).run;
        let found = (run.seconds, run.speed_up, run.utilisation);
        assert_eq!(found, (seconds, speed_up, utilisation));
        assert_eq!((run.longest, run.shared), (80.0, shared));
    }
}

#[test]
fn the_packages_are_handed_out_as_make_does() {
    let simulator = simulator([10, 20, 30, 40, 60]);
    // The longest way first; e waits until a worker is free, and then goes before b.
    let expected = [
        ("a", 1, 0.0, 10.0),
        ("e", 2, 0.0, 60.0),
        ("c", 1, 10.0, 40.0),
        ("b", 1, 40.0, 60.0),
        ("d", 1, 60.0, 100.0),
    ];
    assert_eq!(builds(&simulator.simulate(&[1.0; 2], true)), expected);
}

#[test]
fn the_fastest_worker_that_is_free_takes_the_next_package() {
    let simulation = simulator([10, 20, 30, 40, 60]).simulate(&[0.5, 2.0], true);
    let expected = [
        ("a", 2, 0.0, 5.0),
        ("e", 1, 0.0, 120.0),
        ("c", 2, 5.0, 20.0),
        ("b", 2, 20.0, 30.0),
        ("d", 2, 30.0, 50.0),
    ];
    assert_eq!(builds(&simulation), expected);
    let run = simulation.run;
    let found = (run.longest, run.shared, run.utilisation);
    assert_eq!(found, (40.0, 64.0, 170.0 / 240.0));
}

#[test]
fn without_the_chain_nothing_waits() {
    let run = simulator([10, 20, 30, 40, 60])
        .simulate(&[1.0; 5], false)
        .run;
    assert_eq!((run.chain, run.seconds, run.longest), (false, 60.0, 60.0));
}

#[test]
fn what_is_moved_is_counted_once_where_it_stays_and_what_is_not_known_is_not_0() {
    let mut simulator = simulator([10; 5]);
    let blobs = |names: &[&str]| {
        let blob = |name: &&str| (Digest::of(name.as_bytes()), 100);
        Some(names.iter().map(blob).collect::<BTreeMap<_, _>>())
    };
    let images = [
        blobs(&["a"]),
        blobs(&["a", "b"]),
        blobs(&["a", "c"]),
        None,
        None,
    ];
    for (parts, image) in simulator.parts.iter_mut().zip(images) {
        parts.image = image;
    }
    let source = |hash: &str, size| vec![(hash.to_owned(), size)];
    simulator.parts[1].sources = source("x", Some(7));
    simulator.parts[2].sources = source("x", Some(7));
    simulator.parts[4].sources = source("y", None);
    let moved = |files, unknown, bytes| GraphMoved {
        files,
        unknown,
        bytes,
    };

    let one = simulator.simulate(&[1.0], true).run;
    assert_eq!(one.uploaded, moved(2, 1, 7));
    assert_eq!(one.downloaded, moved(5, 2, 500));
    assert_eq!(one.to_workers, moved(2, 1, 7), "it has built all images");

    // The first builds a, b and d, the second e and c: it gets a for c, and the first c for d.
    let two = simulator.simulate(&[1.0; 2], true);
    let workers: Vec<_> = builds(&two)
        .into_iter()
        .map(|(name, worker, ..)| (name, worker))
        .collect();
    assert_eq!(workers, [("a", 1), ("e", 2), ("b", 1), ("c", 2), ("d", 1)]);
    assert_eq!(two.run.uploaded, one.uploaded);
    assert_eq!(two.run.to_workers, moved(5, 1, 7 + 7 + 100 + 100));

    let free = simulator.simulate(&[1.0], false).run;
    assert_eq!(
        free.uploaded,
        moved(5, 1, 7 + 300),
        "a, b and c are needed, and the layer a once"
    );
}
