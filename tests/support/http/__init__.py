"""Servers on loopback to fetch from, and clients good and bad."""
