//! Two clients and one shard on a virtual network.
