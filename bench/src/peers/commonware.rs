//! commonware-storage: its append-only authenticated store, which hashes its records into a Merkle tree, here with
//! BLAKE3. One batch merkleized, applied and committed for each.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, anyhow, ensure};
use commonware_codec::RangeCfg;
use commonware_cryptography::Blake3;
use commonware_parallel::Sequential;
use commonware_runtime::buffer::paged::{CacheRef, page_size};
use commonware_runtime::{BLOB_PAGE_SIZE, Runner as _, tokio};
use commonware_storage::journal::contiguous::variable;
use commonware_storage::merkle::{Location, full, mmr};
use commonware_storage::qmdb::keyless::variable::{Config, Db};

use crate::record::{RECORD, Records};
use crate::store::{Store, version};

type Database = Db<mmr::Family, tokio::Context, Vec<u8>, Blake3, Sequential>;

/// As in its own benchmarks.
const WRITE_BUFFER: NonZeroUsize = NonZeroUsize::new(2 << 20).unwrap();
const CACHED_PAGES: NonZeroUsize = NonZeroUsize::new(512).unwrap();
const ITEMS_PER_BLOB: NonZeroU64 = NonZeroU64::new(50_000).unwrap();

/// Records read at a time.
const READ_RECORDS: u64 = 256;

enum Task {
    Append { count: u64, batch: u64 },
    Verify,
}

/// A database, in a runtime of its own: a thread that does one task after another.
pub struct Commonware {
    dir: PathBuf,
    tasks: Option<Sender<Task>>,
    results: Receiver<Result<u64>>,
    thread: Option<JoinHandle<()>>,
}

impl Commonware {
    /// A new one.
    pub fn open(dir: PathBuf) -> Result<Commonware> {
        let (tasks, results, thread) = start(&dir)?;
        Ok(Commonware { dir, tasks: Some(tasks), results, thread: Some(thread) })
    }

    fn run(&mut self, task: Task) -> Result<u64> {
        self.tasks.as_ref().expect("it is open").send(task).context("the database is gone")?;
        self.results.recv().context("the database is gone")?
    }
}

/// Returns when the database is open.
fn start(dir: &Path) -> Result<(Sender<Task>, Receiver<Result<u64>>, JoinHandle<()>)> {
    let (tasks, inbox) = channel();
    let (outbox, results) = channel();
    let configuration = tokio::Config::new().with_storage_directory(dir);
    let thread = std::thread::spawn(move || {
        tokio::Runner::new(configuration).start(|context| serve(context, inbox, outbox));
    });
    results.recv().context("the database does not open")??;
    Ok((tasks, results, thread))
}

async fn serve(context: tokio::Context, inbox: Receiver<Task>, outbox: Sender<Result<u64>>) {
    let opened = Database::init(context, configuration(), None).await.map_err(|error| anyhow!("{error}"));
    let mut database = match opened {
        Ok(database) => database,
        Err(error) => return drop(outbox.send(Err(error))),
    };
    if outbox.send(Ok(0)).is_err() {
        return;
    }
    let mut records = Records::new();
    for task in inbox {
        let result = match task {
            Task::Append { count, batch } => match append(database, &mut records, count, batch).await {
                Ok(grown) => {
                    database = grown;
                    Ok(count)
                }
                Err(error) => return drop(outbox.send(Err(error))),
            },
            Task::Verify => verify(&database).await,
        };
        if outbox.send(result).is_err() {
            return;
        }
    }
}

fn configuration() -> Config<(RangeCfg<usize>, ()), Sequential> {
    let page_cache = CacheRef::new(page_size(BLOB_PAGE_SIZE), CACHED_PAGES);
    Config {
        merkle: full::Config {
            journal_partition: "tree".into(),
            metadata_partition: "pruned".into(),
            items_per_blob: ITEMS_PER_BLOB,
            write_buffer: WRITE_BUFFER,
            replay_buffer: WRITE_BUFFER,
            strategy: Sequential,
            page_cache: page_cache.clone(),
        },
        log: variable::Config {
            partition: "log".into(),
            items_per_section: ITEMS_PER_BLOB,
            compression: None,
            codec_config: ((0..=RECORD).into(), ()),
            page_cache,
            write_buffer: WRITE_BUFFER,
            replay_buffer: WRITE_BUFFER,
        },
    }
}

async fn append(mut database: Database, records: &mut Records, count: u64, batch: u64) -> Result<Database> {
    let mut next = *database.bounds().end;
    for begun in (0..count).step_by(batch as usize) {
        let mut writes = database.new_batch();
        for _ in 0..batch.min(count - begun) {
            writes = writes.append(records.get(next).to_vec());
            next += 1;
        }
        let floor = database.inactivity_floor_loc();
        let writes = writes.merkleize(&database, None, floor).await.map_err(|error| anyhow!("{error}"))?;
        database = database.apply_batch(writes).await.map_err(|error| anyhow!("{error}"))?;
        database = database.commit().await.map_err(|error| anyhow!("{error}"))?;
    }
    Ok(database)
}

/// Reads and hashes every record. (The store offers no verification of all it has.)
async fn verify(database: &Database) -> Result<u64> {
    let end = *database.bounds().end;
    let mut count = 0;
    for first in (0..end).step_by(READ_RECORDS as usize) {
        let places: Vec<_> = (first..(first + READ_RECORDS).min(end)).map(Location::new).collect();
        let values = database.get_many(&places).await.map_err(|error| anyhow!("{error}"))?;
        for value in values.into_iter().flatten() {
            ensure!(value.len() == RECORD, "a record is not what it was");
            std::hint::black_box(blake3::hash(&value));
            count += 1;
        }
    }
    Ok(count)
}

impl Store for Commonware {
    fn name(&self) -> String {
        format!("commonware-storage {}", version("commonware-storage"))
    }

    fn append(&mut self, count: u64, batch: u64) -> Result<()> {
        self.run(Task::Append { count, batch }).map(drop)
    }

    fn reopen(&mut self) -> Result<()> {
        self.tasks = None;
        if let Some(thread) = self.thread.take() {
            thread.join().map_err(|_| anyhow!("the database panicked"))?;
        }
        let (tasks, results, thread) = start(&self.dir)?;
        (self.tasks, self.results, self.thread) = (Some(tasks), results, Some(thread));
        Ok(())
    }

    fn verify(&mut self) -> Result<u64> {
        self.run(Task::Verify)
    }

    fn files(&self) -> PathBuf {
        self.dir.clone()
    }
}
