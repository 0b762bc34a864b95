//! A disk that loses power at one of its operations, under a database: what tests hold a store to.

use std::io;
use std::sync::{Arc, Mutex};

use redb::{Database, StorageBackend};
use units::Rng;

/// A disk that loses power at one of its operations.
#[derive(Debug, Default)]
struct Disk {
    /// What was written, in order, since the last time that all was made safe.
    unsafe_writes: Vec<Write>,
    /// What no cut takes away.
    safe: Vec<u8>,
    /// What the database sees.
    seen: Vec<u8>,
    /// Operations that change something, so far.
    operations: usize,
    /// The operation that does not happen any more, nor any after it.
    cut_at: Option<usize>,
    /// Whether it has been tried.
    is_cut: bool,
}

#[derive(Clone, Debug)]
enum Write {
    Bytes(usize, Vec<u8>),
    Len(usize),
}

impl Write {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Len(len) => image.resize(*len, 0),
            Self::Bytes(at, bytes) => {
                if image.len() < at + bytes.len() {
                    image.resize(at + bytes.len(), 0);
                }
                image[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
    }
}

impl Disk {
    fn of(image: Vec<u8>, cut_at: Option<usize>) -> Self {
        Self { safe: image.clone(), seen: image, cut_at, ..Self::default() }
    }

    fn operation(&mut self) -> io::Result<()> {
        if self.cut_at == Some(self.operations) {
            self.is_cut = true;
            return Err(io::Error::other("the power is gone"));
        }
        self.operations += 1;
        Ok(())
    }

    fn write(&mut self, write: Write) -> io::Result<()> {
        self.operation()?;
        write.apply(&mut self.seen);
        self.unsafe_writes.push(write);
        Ok(())
    }

    /// What is found on the disk after the cut: all that was made safe, and of the rest what chance has let through,
    /// the last of it torn.
    fn after_the_cut(&self, rng: &mut Rng, survives: u64) -> Vec<u8> {
        let mut image = self.safe.clone();
        for write in &self.unsafe_writes {
            if rng.below(100) < survives {
                write.apply(&mut image);
            } else if let Write::Bytes(at, bytes) = write
                && survives > 0
            {
                let torn = usize::try_from(rng.below(bytes.len() as u64 + 1)).expect("small");
                Write::Bytes(*at, bytes[..torn].to_vec()).apply(&mut image);
            }
        }
        image
    }
}

/// The disk, as the database has it.
#[derive(Clone, Debug)]
pub(crate) struct Backend(Arc<Mutex<Disk>>);

impl Backend {
    /// A disk with this on it, which loses power at that operation.
    pub(crate) fn of(image: Vec<u8>, cut_at: Option<usize>) -> Self {
        Self(Arc::new(Mutex::new(Disk::of(image, cut_at))))
    }

    /// What no cut takes away.
    pub(crate) fn safe(&self) -> Vec<u8> {
        self.disk().safe.clone()
    }

    /// Operations that have changed something.
    pub(crate) fn operations(&self) -> usize {
        self.disk().operations
    }

    /// Whether the power is gone: what the process does from now on, it does not do.
    pub(crate) fn is_cut(&self) -> bool {
        self.disk().is_cut
    }

    fn disk(&self) -> std::sync::MutexGuard<'_, Disk> {
        self.0.lock().expect("no test panics with it")
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.disk();
        let at = usize::try_from(offset).expect("small");
        let bytes = disk.seen.get(at..at + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk().write(Write::Len(usize::try_from(len).expect("small")))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk();
        disk.operation()?;
        disk.safe = disk.seen.clone();
        disk.unsafe_writes.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk().write(Write::Bytes(usize::try_from(offset).expect("small"), data.to_vec()))
    }
}

/// The database on a disk.
pub(crate) fn open(disk: &Backend) -> Result<Database, redb::DatabaseError> {
    Database::builder().set_cache_size(1 << 20).create_with_backend(disk.clone())
}

/// A database that nothing is in yet: it is made under another name, so that no cut finds it half made.
pub(crate) fn made(make: impl Fn(&Database)) -> Vec<u8> {
    let disk = Backend::of(Vec::new(), None);
    let database = open(&disk).expect("made");
    make(&database);
    drop(database);
    disk.disk().seen.clone()
}

/// Lets a process live on a disk that begins with this, and cuts it at each operation: once by kill -9, when what it had written
/// is there, and by the power, when of what was not made safe nothing is there, or any part, torn. Then somebody looks at what
/// is left, and at what the process had answered by then.
pub(crate) fn cut_everywhere<A>(
    begin: &[u8],
    live: impl Fn(&Backend) -> A,
    check: impl Fn(&Backend, &A, &str),
) {
    let whole = Backend::of(begin.to_vec(), None);
    live(&whole);
    let mut rng = Rng::from_number(5);
    for cut in 0..whole.operations() {
        let disk = Backend::of(begin.to_vec(), Some(cut));
        let answered = live(&disk);
        let killed = disk.disk().seen.clone();
        let power = [0, 50].map(|survives| disk.disk().after_the_cut(&mut rng, survives));
        for (how, image) in ["killed", "power cut", "power cut, half written"]
            .iter()
            .zip([killed].into_iter().chain(power))
        {
            check(&Backend::of(image, None), &answered, &format!("{how} at operation {cut}"));
        }
    }
}
