"""The file formats of ComputerCraft pictures and videos."""
