//! Relaying in the kernel: loads the program of `turn-node/xdp`, attaches it to the relay's network interface, and
//! mirrors the server's flows in its maps ([why this way](../../docs/decisions/0061-channel-data-in-the-kernel.md)).
//!
//! The server stays the judge: the program follows what it was told, until then, and within the user's budget.

mod layout;
mod maps;

use crate::config::{Config, Xdp};
use crate::own_addresses::Own;
use anyhow::{Context, bail};
use aya::programs::links::FdLink;
use aya::programs::{self, XdpMode};
use aya::{Ebpf, include_bytes_aligned};
use maps::Maps;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use turn_core::budget::SharedBudgets;
use turn_core::flow::{Flow, Until};

/// Built by `cargo xtask xdp`.
static PROGRAM: &[u8] = include_bytes_aligned!("kernel/relay.o");

/// The attached program; it is detached when this value is dropped, or when the process is killed.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) mode: Mode,
    budgets: SharedBudgets,
    maps: Mutex<Maps>,
    /// The kernel detaches the program when its last descriptor is closed.
    _link: FdLink,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// In the driver of the network card.
    Native,
    /// In the network stack, for every driver.
    Generic,
}

impl Mode {
    pub(crate) const ALL: [Self; 2] = [Self::Native, Self::Generic];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

/// Attaches the program if the settings ask for it; a host that forbids it relays all data by its sockets.
pub(crate) fn start(config: &Config, own: &[Own]) -> Option<Kernel> {
    let modes: &[Mode] = match config.xdp {
        Xdp::Off => return None,
        Xdp::Auto => &Mode::ALL,
        Xdp::Native => &[Mode::Native],
        Xdp::Generic => &[Mode::Generic],
    };
    match attach(config, own, modes) {
        Ok(kernel) => Some(kernel),
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "the kernel relays nothing: all data goes through sockets");
            None
        }
    }
}

fn attach(config: &Config, own: &[Own], modes: &[Mode]) -> anyhow::Result<Kernel> {
    // The program reads the host's clock.
    let offsets = std::fs::read_to_string("/proc/self/timens_offsets").unwrap_or_default();
    if offsets.split_whitespace().any(|word| word.parse::<i64>().is_ok_and(|offset| offset != 0)) {
        bail!("this process has a time namespace of its own");
    }
    let place = Place::find(config, own)?;
    let mut program = Ebpf::load(PROGRAM).context("loading the program")?;
    let relay: &mut programs::Xdp = program.program_mut("relay").context("no program")?.try_into()?;
    relay.load().context("loading the program")?;
    let mut refusals = Vec::new();
    for mode in modes {
        let asked = match mode {
            Mode::Native => XdpMode::Driver,
            Mode::Generic => XdpMode::Skb,
        };
        let link = relay.attach(&place.interface, asked).and_then(|id| relay.take_link(id));
        // Another kind of link would outlive a killed process, and with it the flows of dead allocations.
        match link.map_err(anyhow::Error::from).and_then(|link| FdLink::try_from(link).map_err(Into::into)) {
            Ok(link) => {
                let (maps, budgets) = Maps::take(&mut program, &place)?;
                tracing::info!(interface = place.interface, mode = mode.name(), "the kernel relays ChannelData");
                return Ok(Kernel { mode: *mode, budgets, maps: Mutex::new(maps), _link: link });
            }
            Err(error) => refusals.push(format!("{}: {error:#}", mode.name())),
        }
    }
    bail!("{} refuses the program: {}", place.interface, refusals.join("; "))
}

impl Kernel {
    pub(crate) fn budgets(&self) -> SharedBudgets {
        self.budgets.clone()
    }

    /// Follows the server of a shard.
    pub(crate) fn switch(&self, shard: u16, flow: &Flow, until: Until) {
        if let Err(error) = self.maps().switch(shard, flow, until) {
            // Its data goes through the sockets.
            tracing::debug!(%error, "the kernel does not take a flow");
        }
    }

    /// Datagrams that the kernel relayed for a shard.
    pub(crate) fn relayed(&self, shard: u16) -> u64 {
        self.maps().relayed(shard)
    }

    fn maps(&self) -> MutexGuard<'_, Maps> {
        // The maps' entries are each consistent.
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The interface, and the addresses that clients and peers send to.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    interface: String,
    v4: Option<IpAddr>,
    v6: Option<IpAddr>,
    port: u16,
}

impl Place {
    /// A family is relayed if its answers to clients can have only one source: that of the relayed addresses.
    fn find(config: &Config, own: &[Own]) -> anyhow::Result<Self> {
        let relays = [config.relay_bind.v4, config.relay_bind.v6];
        let at = |ip: &IpAddr| own.iter().find(|own| own.ip == *ip);
        let interface = match &config.xdp_interface {
            Some(name) => name.clone(),
            None => {
                let found = relays.iter().flatten().find_map(at).context("no interface has the relay's address")?;
                found.interface.clone()
            }
        };
        let suits = |ip: &IpAddr| {
            let mut here = own.iter().filter(|own| own.interface == interface && own.ip.is_ipv4() == ip.is_ipv4());
            let is_here = here.clone().any(|own| own.ip == *ip);
            let is_alone = here.all(|own| own.ip == *ip || is_link_local(own.ip));
            let listens = if config.listen.ip().is_unspecified() {
                is_alone && (ip.is_ipv4() || config.listen.is_ipv6())
            } else {
                config.listen.ip() == *ip
            };
            is_here && listens && !ip.is_loopback()
        };
        let [v4, v6] = relays.map(|relay| relay.filter(suits));
        if v4.is_none() && v6.is_none() {
            bail!(
                "{interface} is the loopback interface, has several addresses, or not those of --listen and --relay-bind"
            );
        }
        Ok(Self { interface, v4, v6, port: config.listen.port() })
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}
