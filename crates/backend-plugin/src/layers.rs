//! Holds the layers that a plugin names against what was asked for and against the directory that
//! it was given. Does not look into them: that is for whoever normalises them.

use backend_api::{BuiltImage, EngineImage, EngineLayer};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use crate::parse::Layer;

/// Returns the layers as those of `image` in `directory`, or what is wrong with them.
pub(crate) fn check(
    layers: Vec<Layer>,
    image: &BuiltImage,
    directory: &Utf8Path,
) -> Result<EngineImage, String> {
    if layers.len() > image.steps.len() {
        let (found, most) = (layers.len(), image.steps.len());
        return Err(format!(
            "named {found} layers, expected at most {most}: one for each instruction that makes one"
        ));
    }
    let mut checked: Vec<EngineLayer> = Vec::new();
    let mut expected = image.steps.iter().map(|step| step.id);
    for Layer { step, tar } in layers {
        if !expected.any(|known| known == step) {
            return Err(if checked.iter().any(|layer| layer.step == step) {
                format!("named two layers for step {step}")
            } else if image.steps.iter().any(|known| known.id == step) {
                format!("named the layer of step {step} after one of a later step")
            } else {
                format!("named a layer for step {step}, which makes none or does not exist")
            });
        }
        let tar = file(directory, Utf8Path::new(&tar))
            .map_err(|why| format!("named `{tar}` as the layer of step {step}, {why}"))?;
        checked.push(EngineLayer { step, tar });
    }
    Ok(EngineImage { layers: checked })
}

/// Returns the path of a regular file that lies in `directory` itself, not behind a link.
fn file(directory: &Utf8Path, path: &Utf8Path) -> Result<Utf8PathBuf, String> {
    let is_normal = |component| matches!(component, Utf8Component::Normal(_));
    if path.as_str().is_empty() || !path.components().all(is_normal) {
        return Err("which is not a relative path without `..`".to_owned());
    }
    let mut full = directory.to_owned();
    for component in path.components() {
        full.push(component);
        let metadata = full.symlink_metadata().map_err(|error| error.to_string())?;
        if metadata.is_symlink() {
            return Err("which is a symbolic link, or is reached through one".to_owned());
        }
    }
    if full.is_file() {
        Ok(full)
    } else {
        Err("which is not a regular file".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use backend_api::{BuildKey, Step, StepId, StepKind};
    use rstest::rstest;

    use super::*;

    fn layers(named: &[(usize, &str)]) -> Vec<Layer> {
        let layer = |&(index, tar): &(usize, &str)| Layer {
            step: StepId { stage: 0, index },
            tar: tar.to_owned(),
        };
        named.iter().map(layer).collect()
    }

    /// Checks layers against steps 1, 2 and 4, in a directory with files, links and a directory.
    fn checked(named: &[(usize, &str)]) -> Result<Vec<String>, String> {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temporary.path()).unwrap();
        let directory = root.join("export");
        std::fs::create_dir_all(directory.join("sub")).unwrap();
        for file in ["export/a.tar", "export/sub/b.tar", "secret"] {
            std::fs::write(root.join(file), "x").unwrap();
        }
        symlink("../secret", directory.join("out")).unwrap();
        symlink("a.tar", directory.join("in")).unwrap();
        symlink("..", directory.join("up")).unwrap();
        let step = |index| Step {
            id: StepId { stage: 0, index },
            kind: StepKind::Run,
        };
        let image = BuiltImage {
            key: BuildKey::new("k"),
            reference: String::new(),
            also_made: Vec::new(),
            steps: [1, 2, 4].map(step).into(),
            base_layers: 0,
            work: root.to_owned(),
        };
        let found = check(layers(named), &image, &directory)?;
        let relative = |layer: EngineLayer| layer.tar.strip_prefix(&directory).unwrap().to_string();
        Ok(found.layers.into_iter().map(relative).collect())
    }

    #[test]
    fn files_in_the_directory_are_taken() {
        let found = checked(&[(1, "a.tar"), (2, "sub/b.tar"), (4, "a.tar")]);
        assert_eq!(found.unwrap(), ["a.tar", "sub/b.tar", "a.tar"]);
        assert_eq!(checked(&[(2, "a.tar")]).unwrap(), ["a.tar"]);
    }

    #[rstest]
    #[case(&[(1, "a.tar"), (2, "a.tar"), (4, "a.tar"), (4, "a.tar")], "named 4 layers, expected at most 3")]
    #[case(&[(1, "a.tar"), (1, "a.tar")], "two layers for step 0.1")]
    #[case(&[(2, "a.tar"), (1, "a.tar")], "step 0.1 after one of a later")]
    #[case(&[(3, "a.tar")], "step 0.3, which makes none")]
    #[case(&[(1, "/etc/passwd")], "not a relative path")]
    #[case(&[(1, "../secret")], "not a relative path")]
    #[case(&[(1, "sub/../a.tar")], "not a relative path")]
    #[case(&[(1, "")], "not a relative path")]
    #[case(&[(1, "out")], "symbolic link")]
    #[case(&[(1, "in")], "symbolic link")]
    #[case(&[(1, "up/secret")], "symbolic link")]
    #[case(&[(1, "sub")], "not a regular file")]
    #[case(&[(1, "absent")], "No such file")]
    fn everything_else_is_refused(#[case] named: &[(usize, &str)], #[case] why: &str) {
        let error = checked(named).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}
