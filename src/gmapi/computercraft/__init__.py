"""Pixels to cells to bytes: pictures for the character screens of ComputerCraft."""
