"""Locked children, and kernels that cannot lock."""
