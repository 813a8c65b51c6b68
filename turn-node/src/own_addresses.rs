//! This host's addresses, which are unreachable through the relay unless the configuration names them.

use std::ffi::CStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One address of a network interface.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) interface: String,
    pub(crate) ip: IpAddr,
}

/// Addresses of all network interfaces (getifaddrs(3)).
pub(crate) fn read() -> io::Result<Vec<Own>> {
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: the call writes the head of a list of its own making.
    if unsafe { libc::getifaddrs(&raw mut list) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut addresses = Vec::new();
    let mut entry = list;
    // SAFETY: every entry but the last points to the next one, and all live until they are freed below; an address is as long as its
    // family says.
    unsafe {
        while let Some(interface) = entry.as_ref() {
            let name = || CStr::from_ptr(interface.ifa_name).to_string_lossy().into_owned();
            addresses.extend(address(interface.ifa_addr).map(|ip| Own { interface: name(), ip }));
            entry = interface.ifa_next;
        }
        libc::freeifaddrs(list);
    }
    Ok(addresses)
}

/// # Safety
/// `raw` is null, or points to an address that is as long as its family says.
unsafe fn address(raw: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: as above.
    unsafe {
        match libc::c_int::from(raw.as_ref()?.sa_family) {
            libc::AF_INET => {
                let v4 = raw.cast::<libc::sockaddr_in>().read_unaligned();
                Some(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into())
            }
            libc::AF_INET6 => {
                let v6 = raw.cast::<libc::sockaddr_in6>().read_unaligned();
                Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn finds_the_loopback_interface() {
        let own = read().expect("a list of interfaces");
        assert!(own.iter().any(|own| own.ip.is_loopback() && own.interface == "lo"), "{own:?}");
    }
}
