//! A child process that ends with its owner, and its CPU time.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::time::Duration;

/// CPU time of all threads of a process since its start, in nanoseconds.
pub fn cpu_ns(pid: u32) -> Result<u64> {
    Ok(cpu_ns_by_thread(pid)?.into_values().sum())
}

/// CPU time by thread name, in nanoseconds (proc(5), `schedstat`; the times in `stat` are counted in ticks of 10 ms).
pub fn cpu_ns_by_thread(pid: u32) -> Result<BTreeMap<String, u64>> {
    let mut by_thread = BTreeMap::new();
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).context("listing the process's threads")? {
        let folder = task?.path();
        let read = |name| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
        };
        let on_cpu = read("schedstat")?;
        let on_cpu = on_cpu.split(' ').next().context("an empty schedstat")?;
        let on_cpu: u64 = on_cpu.parse().context("a schedstat that is no number")?;
        *by_thread.entry(read("comm")?.trim().to_owned()).or_default() += on_cpu;
    }
    Ok(by_thread)
}

/// Limits the calling thread, and the programs that it starts, to sockets of the address families that a systemd unit
/// allows (systemd.exec(5), `RestrictAddressFamilies`).
pub fn restrict_to_unit(unit: &str) -> Result<()> {
    let allowed = unit.lines().find_map(|line| line.strip_prefix("RestrictAddressFamilies="));
    let families = allowed.context("a unit that restricts nothing")?.split(' ').map(|name| match name {
        "AF_INET" => Ok(libc::AF_INET),
        "AF_INET6" => Ok(libc::AF_INET6),
        "AF_NETLINK" => Ok(libc::AF_NETLINK),
        _ => bail!("the unit allows {name}, which this does not know"),
    });
    let families: Vec<u32> = families.map(|family| Ok(family? as u32)).collect::<Result<_>>()?;
    let count = u8::try_from(families.len())?;
    let step = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter { code: code as u16, jt, jf, k };
    let load = |offset| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0);
    let equal = |value, jt, jf| step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, jt, jf);
    let end = |action| step(libc::BPF_RET | libc::BPF_K, action, 0, 0);
    // The number of the call, and the low word of its first argument (seccomp(2), `struct seccomp_data`).
    let mut program = vec![load(0), equal(libc::SYS_socket as u32, 0, count + 2), load(16)];
    program.extend(families.iter().zip((1..=count).rev()).map(|(family, jump)| equal(*family, jump, 0)));
    program.push(end(libc::SECCOMP_RET_ERRNO | libc::EAFNOSUPPORT as u32));
    program.push(end(libc::SECCOMP_RET_ALLOW));
    let filter = libc::sock_fprog { len: u16::try_from(program.len())?, filter: program.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which lives until then.
    let outcomes = unsafe {
        [
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter),
        ]
    };
    if outcomes != [0, 0] {
        return Err(std::io::Error::last_os_error()).context("restricting sockets");
    }
    Ok(())
}

/// Sends SIGTERM.
pub fn terminate(pid: u32) {
    // SAFETY: sending a signal touches no memory; that the process may be gone already does not matter.
    unsafe { libc::kill(pid as libc::pid_t, libc::SIGTERM) };
}

/// Sends SIGHUP.
pub fn hang_up(pid: u32) {
    // SAFETY: sending a signal touches no memory; that the process may be gone already does not matter.
    unsafe { libc::kill(pid as libc::pid_t, libc::SIGHUP) };
}

/// Resident memory of a process (proc(5), `VmRSS`).
pub fn memory_kb(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("reading a process's status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("a process without memory")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Resources of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    pub memory_kb: u64,
    /// Open files, including sockets.
    pub files: u64,
    pub threads: u64,
}

pub fn holdings(pid: u32) -> Result<Holdings> {
    let count = |folder| {
        let entries = std::fs::read_dir(format!("/proc/{pid}/{folder}"));
        anyhow::Ok(entries.with_context(|| format!("listing a process's {folder}"))?.count() as u64)
    };
    Ok(Holdings { memory_kb: memory_kb(pid)?, files: count("fd")?, threads: count("task")? })
}

/// The first process with this name (proc(5), `comm`) that a process or one of its descendants has started.
pub fn descendant(pid: u32, name: &str) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let mut children = children.split_whitespace().filter_map(|child| child.parse().ok());
    children.find_map(|child: u32| {
        let comm = std::fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
        if comm.trim() == name { Some(child) } else { descendant(child, name) }
    })
}

/// Pins the calling thread and its children to one core, so that compared or communicating programs do not compete for
/// it.
pub fn pin_to_core(core: usize) -> Result<()> {
    // SAFETY: all-zero is an empty set, which is then filled by the library's own macros' functions.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()).context("pinning to a core") }
}

/// Makes the calling thread's sleeps end on time; by default the kernel allows 50 µs of delay.
pub fn sleep_precisely() {
    // SAFETY: this option takes a number and touches no memory.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_u64) };
}

/// Gives the calling thread real-time priority, if CAP_SYS_NICE allows it: for the thread that keeps the pace and does
/// little else. Its children do not inherit it.
pub fn be_prompt() -> bool {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: the parameter is read only during the call.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &priority) == 0 }
}

/// Time for a node to exit after SIGTERM.
pub const END_TIMEOUT: Duration = Duration::from_secs(5);
