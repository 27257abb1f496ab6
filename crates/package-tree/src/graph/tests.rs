//! Graphs of small plans, and views of them.

use std::collections::BTreeSet;

use camino::Utf8Path;

use super::*;
use crate::tree::{DEFAULT_PLATFORM, Tree};

/// Makes a tree of packages, each with the names of those that it needs, and plans `targets`.
fn plan(packages: &[(&str, &[&str])], targets: &[&str]) -> (Tree, Plan) {
    let temporary = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temporary.path()).unwrap();
    for (name, needs) in packages {
        let (stage, package) = name.split_once('-').unwrap();
        let directory = root.join("packages").join(stage).join(package);
        std::fs::create_dir_all(&directory).unwrap();
        let manifest = format!("[package]\nname = \"{package}\"\n");
        std::fs::write(directory.join("package.toml"), manifest).unwrap();
        let need = |need: &&str| format!("COPY --from=stagex/{need} / /\n");
        let needs: String = needs.iter().map(need).collect();
        std::fs::write(
            directory.join("Containerfile"),
            format!("FROM scratch\n{needs}"),
        )
        .unwrap();
    }
    let targets: Vec<String> = targets.iter().map(|target| (*target).to_owned()).collect();
    let tree = Tree::open(root).unwrap();
    let plan = tree.plan(&targets, DEFAULT_PLATFORM, &[]).unwrap();
    (tree, plan)
}

/// a <- b, a <- c, {b, c} <- d, d <- user-e, a <- user-e.
const SAMPLE: [(&str, &[&str]); 5] = [
    ("core-a", &[]),
    ("core-b", &["core-a"]),
    ("core-c", &["core-a"]),
    ("core-d", &["core-b", "core-c"]),
    ("user-e", &["core-d", "core-a"]),
];

fn sample(targets: &[&str]) -> Graph {
    Graph::of_plan(&plan(&SAMPLE, targets).1)
}

fn place(graph: &Graph, name: &str) -> usize {
    graph
        .nodes
        .iter()
        .position(|node| node.name == name)
        .unwrap()
}

/// Returns who needs whom, with a `~` where it is not direct.
fn edges(graph: &Graph) -> Vec<String> {
    let name = |place: usize| graph.nodes[place].name.as_str();
    let edges = graph.needs().map(|(from, to, edge)| {
        let mark = if edge.is_direct { "" } else { "~" };
        format!("{} {mark}{}", name(from), name(to))
    });
    edges.collect()
}

#[test]
fn what_is_below_is_shown_once() {
    let expected = "\
user-e
├── core-d
│   ├── core-b
│   │   └── core-a
│   └── core-c
│       └── core-a
└── core-a
";
    assert_eq!(text(&sample(&[])), expected);
    let twice = [&SAMPLE[..4], &[("user-e", &["core-d", "core-b"])]].concat();
    let (_, plan) = plan(&twice, &[]);
    let found = text(&Graph::of_plan(&plan));
    assert!(found.ends_with("└── core-b (*)\n"), "{found}");
    assert_eq!(found.matches("(*)").count(), 1, "{found}");
}

#[test]
fn what_was_asked_for_is_read_from_even_if_something_needs_it() {
    let found = text(&sample(&["core-b", "user-e"]));
    assert!(found.starts_with("core-b\n└── core-a\nuser-e\n"), "{found}");
}

#[test]
fn a_level_is_how_many_are_built_one_after_another() {
    let levels: Vec<_> = sample(&[]).nodes.iter().map(|node| node.level).collect();
    assert_eq!(levels, [1, 2, 2, 3, 4].map(Some));
}

#[test]
fn what_needs_a_package_leads_away_from_it() {
    let graph = sample(&[]);
    let of = BTreeSet::from([place(&graph, "core-c")]);
    let needing = graph.needing(&of);
    assert_eq!(text(&needing), "core-c\n└── core-d\n    └── user-e\n");
    // As who needs whom, it is what it was.
    assert_eq!(edges(&needing), ["core-d core-c", "user-e core-d"]);
}

#[test]
fn what_is_far_is_counted() {
    let near = sample(&[]).to_depth(1);
    assert_eq!(text(&near), "user-e\n├── core-d (+2)\n└── core-a\n");
    assert_eq!(text(&sample(&[]).to_depth(0)), "user-e (+2)\n");
}

#[test]
fn through_what_is_left_out_an_edge_leads_on_if_no_other_does() {
    let graph = sample(&[]);
    let without = |names: &[&str]| {
        let kept: Kept = graph
            .nodes
            .iter()
            .map(|node| !names.contains(&node.name.as_str()))
            .collect();
        edges(&graph.across(&kept))
    };
    assert_eq!(
        without(&["core-d"]),
        [
            "core-b core-a",
            "core-c core-a",
            "user-e core-a",
            "user-e ~core-b",
            "user-e ~core-c"
        ]
    );
    // d reaches a through c as well, and e names it.
    assert_eq!(
        without(&["core-b"]),
        [
            "core-c core-a",
            "core-d core-c",
            "user-e core-d",
            "user-e core-a"
        ]
    );
    assert_eq!(
        without(&["core-b", "core-c"]),
        ["core-d ~core-a", "user-e core-d", "user-e core-a"]
    );
}

#[test]
fn stages_may_need_one_another() {
    let packages: [(&str, &[&str]); 3] = [
        ("core-a", &[]),
        ("user-b", &["core-a"]),
        ("core-c", &["user-b", "core-a"]),
    ];
    let (_, plan) = plan(&packages, &[]);
    let stages = Graph::of_plan(&plan).collapsed();
    assert_eq!(edges(&stages), ["core user", "user core"]);
    assert_eq!(
        text(&stages),
        "user, packages: 1\n└── core, edges: 1\n    └── user, edges: 1 (*)\n"
    );
}

#[test]
fn the_shortest_ways_are_listed_and_all_are_counted() {
    let graph = sample(&[]);
    let (d, a) = (place(&graph, "core-d"), place(&graph, "core-a"));
    let e = place(&graph, "user-e");
    let ways = graph.ways(e, a, 10);
    assert_eq!(ways.shortest, [vec![e, a]]);
    assert_eq!(
        (ways.as_short.to_string(), ways.all.to_string()),
        ("1".into(), "3".into())
    );
    let ways = graph.ways(d, a, 1);
    assert_eq!(ways.shortest, [vec![d, place(&graph, "core-b"), a]]);
    assert_eq!(
        (ways.as_short.to_string(), ways.all.to_string()),
        ("2".into(), "2".into())
    );
    assert!(graph.ways(a, e, 10).all.is_zero());
}

/// Each of 200 layers doubles the ways: nobody can list them.
#[test]
fn more_ways_than_atoms_are_counted_exactly() {
    let node = |edges: &[usize]| Node {
        name: String::new(),
        stage: String::new(),
        packages: 1,
        is_requested: true,
        is_highlighted: false,
        level: Some(1),
        edges: edges
            .iter()
            .map(|&to| Edge {
                to,
                packages: 1,
                is_direct: true,
            })
            .collect(),
        hidden: 0,
    };
    let mut nodes = vec![node(&[])];
    for _ in 0..200 {
        let below = nodes.len() - 1;
        nodes.extend([node(&[below]), node(&[below])]);
        let sides = [nodes.len() - 2, nodes.len() - 1];
        nodes.push(node(&sides));
    }
    let graph = Graph {
        nodes,
        is_reversed: false,
    };
    let ways = graph.ways(graph.nodes.len() - 1, 0, 3);
    let expected = "1606938044258990275541962092341162602522202993782792835301376";
    assert_eq!(ways.all.to_string(), expected);
    assert_eq!(ways.as_short, ways.all);
    assert_eq!(ways.shortest.len(), 3);
    assert!(ways.shortest.iter().all(|way| way.len() == 401));
}

#[test]
fn what_draws_is_told_who_needs_whom() {
    let mut graph = sample(&["user-e"]).to_depth(1);
    graph.nodes[0].is_highlighted = true;
    let found = dot(&graph);
    for line in [
        "  subgraph \"cluster_core\" {\n    label=\"core\";\n",
        "    \"core-a\" [label=\"core-a\", fillcolor=\"#ffd54f\"];\n",
        "    \"core-d\" [label=\"core-d\\n+2\"];\n",
        "    \"user-e\" [label=\"user-e\", penwidth=2];\n",
        "  \"user-e\" -> \"core-d\";\n",
    ] {
        assert!(found.contains(line), "{line}: {found}");
    }
    let found = mermaid(&graph);
    assert_eq!(
        found,
        "flowchart LR\n  subgraph stage-core [\"core\"]\n    n0[\"core-a\"]:::highlight\n    n1[\"core-d<br>+2\"]\n  \
         end\n  subgraph stage-user [\"user\"]\n    n2[\"user-e\"]\n  end\n  n2 --> n1\n  n2 --> n0\n  \
         classDef highlight fill:#ffd54f\n"
    );
    let of = BTreeSet::from([0]);
    let reversed = dot(&graph.needing(&of));
    assert!(reversed.contains("\"user-e\" -> \"core-a\""), "{reversed}");
    let stages = dot(&graph.collapsed());
    assert!(
        stages.contains("\"user\" -> \"core\" [label=\"2\"]"),
        "{stages}"
    );
}
