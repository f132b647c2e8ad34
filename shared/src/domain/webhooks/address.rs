//! Addresses that webhooks may be sent to. A URL comes from a caller: it must not reach the network of the installation.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses that webhooks may be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressPolicy {
    /// Addresses of the public internet.
    Public,
    /// Addresses of the public internet and of this machine, for an installation on one machine.
    PublicAndLoopback,
}

impl AddressPolicy {
    /// Returns whether webhooks may be sent to an address.
    pub fn allows(self, address: IpAddr) -> bool {
        is_public(address) || (self == Self::PublicAndLoopback && address.to_canonical().is_loopback())
    }
}

/// Returns whether an address is part of the public internet, by the special-purpose registries of IANA.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|block| block.contains(address)),
        // Global unicast addresses. Everything else is refused, such as loopback, link-local, unique local and multicast
        // addresses, and those that contain an IPv4 address: mapped, compatible, NAT64.
        IpAddr::V6(address) => {
            GLOBAL_UNICAST.contains(address) && !SPECIAL_V6.iter().any(|block| block.contains(address))
        }
    }
}

/// A block of IPv4 addresses.
struct BlockV4(Ipv4Addr, u32);

impl BlockV4 {
    fn contains(&self, address: Ipv4Addr) -> bool {
        (self.0.to_bits() ^ address.to_bits()) >> (u32::BITS - self.1) == 0
    }
}

/// A block of IPv6 addresses.
struct BlockV6(Ipv6Addr, u32);

impl BlockV6 {
    fn contains(&self, address: Ipv6Addr) -> bool {
        (self.0.to_bits() ^ address.to_bits()) >> (u128::BITS - self.1) == 0
    }
}

/// The blocks of <https://www.iana.org/assignments/iana-ipv4-special-registry>, and multicast.
const SPECIAL_V4: [BlockV4; 15] = [
    // This network.
    BlockV4(Ipv4Addr::UNSPECIFIED, 8),
    // Private.
    BlockV4(Ipv4Addr::new(10, 0, 0, 0), 8),
    // Shared by the customers of a carrier.
    BlockV4(Ipv4Addr::new(100, 64, 0, 0), 10),
    // Loopback.
    BlockV4(Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local, with the metadata service of cloud providers.
    BlockV4(Ipv4Addr::new(169, 254, 0, 0), 16),
    // Private.
    BlockV4(Ipv4Addr::new(172, 16, 0, 0), 12),
    // Protocol assignments.
    BlockV4(Ipv4Addr::new(192, 0, 0, 0), 24),
    // Documentation.
    BlockV4(Ipv4Addr::new(192, 0, 2, 0), 24),
    // Relays of 6to4.
    BlockV4(Ipv4Addr::new(192, 88, 99, 0), 24),
    // Private.
    BlockV4(Ipv4Addr::new(192, 168, 0, 0), 16),
    // Benchmarks.
    BlockV4(Ipv4Addr::new(198, 18, 0, 0), 15),
    // Documentation.
    BlockV4(Ipv4Addr::new(198, 51, 100, 0), 24),
    BlockV4(Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast.
    BlockV4(Ipv4Addr::new(224, 0, 0, 0), 4),
    // Reserved, and limited broadcast.
    BlockV4(Ipv4Addr::new(240, 0, 0, 0), 4),
];

const GLOBAL_UNICAST: BlockV6 = BlockV6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// The blocks of <https://www.iana.org/assignments/iana-ipv6-special-registry> that are global unicast addresses.
const SPECIAL_V6: [BlockV6; 4] = [
    // Protocol assignments, with Teredo.
    BlockV6(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation.
    BlockV6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    // 6to4, which contains an IPv4 address.
    BlockV6(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    // Documentation.
    BlockV6(Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_of_the_public_internet_are_allowed() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2001:200::",
            "2001:db7:ffff::",
            "2001:db9::",
            "2003::",
            "2a00:1450:4001::1",
            "3ffe::1",
        ] {
            assert!(AddressPolicy::Public.allows(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn addresses_of_private_networks_and_special_purposes_are_refused() {
        for text in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "169.254.0.1",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::10.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:8.8.8.8",
            "64:ff9b::10.0.0.1",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:a00:1::",
            "2002:808:808::",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            for policy in [AddressPolicy::Public, AddressPolicy::PublicAndLoopback] {
                assert!(!policy.allows(text.parse().unwrap()), "{text}");
            }
        }
    }

    #[test]
    fn loopback_is_allowed_on_one_machine_only() {
        for text in ["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"] {
            let address = text.parse().unwrap();
            assert!(AddressPolicy::PublicAndLoopback.allows(address), "{text}");
            assert!(!AddressPolicy::Public.allows(address), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_ipv6_address_that_contains_an_ipv4_address_is_public(address in any::<u32>()) {
            let v4 = Ipv4Addr::from_bits(address);
            let [_, _, _, _, _, _, high, low] = v4.to_ipv6_mapped().segments();
            for v6 in [
                v4.to_ipv6_mapped(),
                v4.to_ipv6_compatible(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, high, low),
            ] {
                prop_assert!(!is_public(v6.into()), "{}", v6);
            }
        }

        #[test]
        fn standard_library_agrees_that_public_ipv4_addresses_are_not_special(address in any::<u32>()) {
            let v4 = Ipv4Addr::from_bits(address);
            let is_special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
            prop_assert!(!(is_special && is_public(v4.into())), "{}", v4);
        }
    }
}
