//! Threads for work that may hang: started when there is work, ended when there is none for a while, and never two
//! busy with the same key (a host), so that one dead host holds one thread and not all of them.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bounds and names of a set of threads.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Threads are called `name-0`, `name-1`, …
    pub name: &'static str,
    /// Most threads at once.
    pub threads_max: usize,
    /// Most jobs waiting.
    pub jobs_max: usize,
    /// A thread without work for this long ends.
    pub idle: Duration,
    /// Bytes of a thread's stack.
    pub stack_len: usize,
}

/// Takes further waiting jobs of the running job's key, so that one answer can serve them all.
pub type More<'a, J> = &'a mut dyn FnMut() -> Option<J>;

type Run<J> = Box<dyn Fn(J, More<'_, J>) + Send + Sync>;

/// The threads and their queue. Jobs that are not run are dropped; a job says so itself when it is.
pub struct OnDemand<J: Send + 'static> {
    shared: Arc<Shared<J>>,
}

struct Shared<J> {
    bounds: Bounds,
    run: Run<J>,
    state: Mutex<State<J>>,
    wake: Condvar,
}

struct State<J> {
    queue: VecDeque<(String, J)>,
    busy: Vec<String>,
    /// Which thread numbers are in use.
    slots: Vec<bool>,
    idle_count: usize,
    /// Threads that were started and have not looked for work yet.
    starting_count: usize,
    ended: bool,
}

impl<J: Send + 'static> OnDemand<J> {
    /// No thread is started yet.
    pub fn new(bounds: Bounds, run: impl Fn(J, More<'_, J>) + Send + Sync + 'static) -> OnDemand<J> {
        let slots = vec![false; bounds.threads_max.max(1)];
        let state =
            State { queue: VecDeque::new(), busy: Vec::new(), slots, idle_count: 0, starting_count: 0, ended: false };
        let shared = Shared { bounds, run: Box::new(run), state: Mutex::new(state), wake: Condvar::new() };
        OnDemand { shared: Arc::new(shared) }
    }

    /// Queues a job; never waits for one. Gives it back when the queue is full or no thread could be started.
    pub fn submit(&self, key: String, job: J) -> Result<(), J> {
        let mut state = self.shared.lock();
        if state.ended || state.queue.len() >= self.shared.bounds.jobs_max {
            return Err(job);
        }
        state.queue.push_back((key, job));
        self.shared.call_thread(&mut state);
        if !state.slots.contains(&true) {
            // Not one thread could be started, so nobody will come for it.
            return state.queue.pop_back().map_or(Ok(()), |(_, job)| Err(job));
        }
        Ok(())
    }

    /// Threads alive now.
    pub fn thread_count(&self) -> usize {
        self.shared.lock().slots.iter().filter(|used| **used).count()
    }
}

impl<J: Send + 'static> Drop for OnDemand<J> {
    /// Threads end after the job they are in; waiting jobs are dropped. Waits for nothing.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        let rest = std::mem::take(&mut state.queue);
        self.shared.wake.notify_all();
        drop(state);
        drop(rest);
    }
}

impl<J: Send + 'static> Shared<J> {
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes or starts a thread if a job could be run. Each thread that takes a job calls this for the next one, so
    /// a wake-up that met nobody is made good.
    fn call_thread(self: &Arc<Self>, state: &mut State<J>) {
        if state.runnable().is_none() || state.starting_count > 0 {
            return;
        }
        if state.idle_count > 0 {
            self.wake.notify_one();
            return;
        }
        let Some(slot) = state.slots.iter().position(|used| !used) else { return };
        let shared = Arc::clone(self);
        let started = thread::Builder::new()
            .name(format!("{}-{slot}", self.bounds.name))
            .stack_size(self.bounds.stack_len)
            .spawn(move || shared.work(slot));
        match started {
            Ok(_) => {
                state.slots[slot] = true;
                state.starting_count += 1;
            }
            Err(error) => log::warn!("cannot start thread {}-{slot}: {error}", self.bounds.name),
        }
    }

    fn work(self: Arc<Self>, slot: usize) {
        let mut state = self.lock();
        state.starting_count -= 1;
        while !state.ended {
            if let Some((key, job)) = state.take_runnable() {
                self.call_thread(&mut state);
                drop(state);
                (self.run)(job, &mut || self.lock().take_of(&key));
                state = self.lock();
                state.busy.retain(|busy| *busy != key);
                continue;
            }
            state.idle_count += 1;
            let (woken, waited) =
                self.wake.wait_timeout(state, self.bounds.idle).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle_count -= 1;
            if waited.timed_out() && state.runnable().is_none() {
                break;
            }
        }
        state.slots[slot] = false;
    }
}

impl<J> State<J> {
    /// Place of the first job whose key nobody is busy with.
    fn runnable(&self) -> Option<usize> {
        self.queue.iter().position(|(key, _)| !self.busy.contains(key))
    }

    fn take_runnable(&mut self) -> Option<(String, J)> {
        let (key, job) = self.queue.remove(self.runnable()?)?;
        self.busy.push(key.clone());
        Some((key, job))
    }

    fn take_of(&mut self, key: &str) -> Option<J> {
        let at = self.queue.iter().position(|(queued, _)| queued == key)?;
        self.queue.remove(at).map(|(_, job)| job)
    }
}
