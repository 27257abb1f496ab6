//! Which crates may know which.

/// Each crate, and the crates of ours that it may know.
pub(crate) const ARROWS: [(&str, &[&str]); 48] = [
    ("attest", &["documents"]),
    ("backend-api", &[]),
    (
        "backend-buildah",
        &["backend-api", "containers-build", "probe-cache", "process"],
    ),
    (
        "backend-docker",
        &[
            "backend-api",
            "beneath",
            "probe-cache",
            "image-store",
            "oci-layout",
            "process",
        ],
    ),
    (
        "backend-native",
        &[
            "backend-api",
            "beneath",
            // It is an engine as well as its backend: it reads what it is told to build.
            "containerfile",
            "probe-cache",
            "oci-layout",
            "process",
            "sandbox",
            "snapshot",
        ],
    ),
    ("backend-plugin", &["backend-api", "process"]),
    (
        "backend-podman",
        &["backend-api", "containers-build", "probe-cache", "process"],
    ),
    ("beneath", &[]),
    (
        "build",
        &[
            "backend-api",
            "beneath",
            "compression",
            "containerfile",
            "delivery",
            "documents",
            "oci-image",
            "package-tree",
            "patterns",
            "printable",
            "state",
        ],
    ),
    (
        "canon",
        &[
            "beneath",
            "compression",
            "containerfile",
            "documents",
            // Its tests only: blobs as they should be.
            "go-flate",
            "images",
            "oci-image",
            "printable",
        ],
    ),
    (
        "conformance",
        &[
            "backend-api",
            "beneath",
            // What is generated is in no tree.
            "build",
            "documents",
            "generate",
            "make",
            // Its tests only: mutants of the encoder compress at other levels.
            "go-flate",
            "oci-image",
            "package-tree",
            "printable",
            "process",
            "runtimes",
            "state",
        ],
    ),
    ("compression", &[]),
    ("containerfile", &[]),
    (
        "containers-build",
        &[
            "backend-api",
            "beneath",
            "probe-cache",
            "image-store",
            "oci-layout",
            "process",
        ],
    ),
    ("credentials", &["beneath", "printable", "process"]),
    (
        "diff",
        &[
            "compression",
            "documents",
            "images",
            // Its tests only: digests.
            "oci-image",
            "printable",
            "process",
        ],
    ),
    ("delivery", &["beneath", "documents"]),
    ("documents", &[]),
    (
        "fetch",
        &[
            "beneath",
            "documents",
            "package-tree",
            "printable",
            // What is known of the tree's files, and hashing.
            "state",
            "transfer",
        ],
    ),
    // Its tests read what it makes.
    ("generate", &["containerfile", "go-flate"]),
    ("git", &["process"]),
    ("go-flate", &[]),
    ("history", &["git", "printable", "trust"]),
    (
        "image-store",
        &["backend-api", "beneath", "oci-layout", "process"],
    ),
    ("ledger", &["beneath", "documents", "state"]),
    (
        "images",
        &[
            "beneath",
            "compression",
            "documents",
            "oci-image",
            "printable",
        ],
    ),
    (
        "lint",
        &[
            "beneath",
            "containerfile",
            "documents",
            "package-tree",
            "patterns",
        ],
    ),
    (
        "make",
        &[
            "backend-api",
            "beneath",
            "build",
            "documents",
            "oci-image",
            "package-tree",
            "state",
        ],
    ),
    (
        "oci-image",
        &[
            "beneath",
            "containerfile",
            "documents",
            "go-flate",
            "printable",
        ],
    ),
    ("oci-layout", &["backend-api", "beneath", "printable"]),
    (
        "package-tree",
        &["beneath", "containerfile", "documents", "patterns"],
    ),
    ("patterns", &[]),
    ("printable", &[]),
    ("probe-cache", &["beneath", "printable"]),
    ("process", &[]),
    (
        "registry",
        &[
            "beneath",
            "credentials",
            "documents",
            "oci-image",
            "printable",
            "transfer",
        ],
    ),
    (
        "remote",
        &[
            "backend-api",
            "beneath",
            "build",
            "documents",
            "make",
            "oci-image",
            "package-tree",
            "printable",
            "state",
        ],
    ),
    (
        "report",
        &[
            "beneath",
            "documents",
            "printable",
            // Its tests only: a browser.
            "process",
        ],
    ),
    (
        "reproduce",
        &[
            "backend-api",
            "beneath",
            "build",
            "documents",
            "ledger",
            "make",
            "oci-image",
            "package-tree",
            "printable",
            "state",
        ],
    ),
    (
        "runtimes",
        &[
            "backend-api",
            "backend-buildah",
            "backend-docker",
            "backend-native",
            "backend-plugin",
            "backend-podman",
            "probe-cache",
        ],
    ),
    // What tools/same-bytes builds.
    ("sample", &[]),
    ("sandbox", &[]),
    (
        "sign",
        &[
            "beneath",
            "documents",
            "package-tree",
            "printable",
            "process",
            // What is recorded.
            "state",
            "trust",
        ],
    ),
    ("snapshot", &["beneath", "compression", "patterns"]),
    (
        "state",
        &[
            "beneath",
            "containerfile",
            "documents",
            "oci-image",
            // The grammar of names.
            "package-tree",
            "printable",
        ],
    ),
    (
        "stagex",
        &[
            "attest",
            "backend-api",
            "beneath",
            "build",
            "canon",
            "conformance",
            "containerfile",
            // What a client is told: files, and the variables of programs.
            "credentials",
            "diff",
            "delivery",
            "documents",
            "fetch",
            "git",
            "history",
            "images",
            "ledger",
            "lint",
            "make",
            "package-tree",
            "printable",
            "process",
            "registry",
            "remote",
            "report",
            "reproduce",
            "runtimes",
            "sign",
            // The files of an image that is exported.
            "snapshot",
            "state",
            // What a client is told: proxies and limits.
            "transfer",
            "trust",
        ],
    ),
    ("transfer", &[]),
    (
        "trust",
        &[
            // The envelopes of statements.
            "attest",
            "beneath",
            "documents",
            // Tags that show how old a signature is.
            "git",
            // The grammar of names.
            "package-tree",
            "printable",
            // The secret by which a user knows what they agreed to.
            "state",
            // Servers that have signatures.
            "transfer",
        ],
    ),
];
