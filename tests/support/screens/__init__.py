"""Readers, makers and checks of ComputerCraft screens."""
