"""The only door outwards: addresses, downloads and the cache of sources."""
