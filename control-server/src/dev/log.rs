//! What a child says: all of it to a file, what matters to the terminal.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use super::severity::{Severity, severity};

/// How many of the last lines are kept to be told when the child dies.
const TAIL: usize = 20;
/// How many characters of each are told.
const TOLD: usize = 300;
/// A line longer than this is cut into several: a child must not fill the memory.
const LONGEST_LINE: u64 = 1 << 20;
/// Colours of the names on a terminal, taken in turn.
const COLOURS: [u8; 6] = [36, 32, 33, 35, 34, 31];

/// How one child's lines look on the terminal.
#[derive(Debug, Clone)]
pub struct Style {
    /// What stands before each line.
    pub name: String,
    /// How wide the names are.
    pub width: usize,
    /// The child's place among all; decides its colour.
    pub index: usize,
    /// Lines below this are not shown. `None` shows nothing.
    pub show: Option<Severity>,
}

/// One child's log.
#[derive(Debug)]
pub struct Log {
    prefix: String,
    show: Option<Severity>,
    /// Set while the child is being stopped: what it then complains of is no news.
    hushed: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    file: File,
    tail: VecDeque<String>,
}

impl Log {
    /// Starts a log in a new file.
    pub fn create(path: &Path, style: Style) -> std::io::Result<Self> {
        let Style { name, width, index, show } = style;
        let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let prefix = match COLOURS.get(index % COLOURS.len()) {
            Some(colour) if colours => format!("\x1b[{colour}m{name:width$} |\x1b[0m "),
            _ => format!("{name:width$} | "),
        };
        let kept = Kept { file: File::create(path)?, tail: VecDeque::with_capacity(TAIL) };
        Ok(Self { prefix, show, hushed: AtomicBool::new(false), kept: Mutex::new(kept) })
    }

    /// Stops (or starts again) showing lines. They still go to the file.
    pub fn hush(&self, hushed: bool) {
        self.hushed.store(hushed, Ordering::Relaxed);
    }

    /// The last lines, indented, for an error message.
    pub fn tail(&self) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<_> = kept.tail.iter().map(|line| format!("  {}", shortened(line))).collect();
        if lines.is_empty() { "  (it said nothing)".to_owned() } else { lines.join("\n") }
    }

    /// Reads one of the child's outputs to its end. A line that names no severity has that of the
    /// line before it; `first` is for the lines before any that does.
    pub async fn read(&self, output: impl AsyncRead + Unpin, first: Severity) {
        use tokio::io::AsyncReadExt;
        let mut output = BufReader::new(output);
        let (mut line, mut level) = (Vec::new(), first);
        loop {
            line.clear();
            match (&mut output).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end();
            level = severity(text).unwrap_or(level);
            self.line(text, level);
        }
    }

    fn line(&self, line: &str, level: Severity) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Neither a full disk nor a closed terminal is a reason to stop a child.
        let _ = writeln!(kept.file, "{line}");
        if kept.tail.len() == TAIL {
            kept.tail.pop_front();
        }
        kept.tail.push_back(line.to_owned());
        drop(kept);
        let shown = self.show.is_some_and(|least| level >= least);
        if shown && !self.hushed.load(Ordering::Relaxed) {
            let _ = std::io::stderr().write_all(format!("{}{line}\n", self.prefix).as_bytes());
        }
    }
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(TOLD) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or(line)),
        None => line.to_owned(),
    }
}
