"""Pixels to cells to bytes: pictures for the character screens of ComputerCraft."""

import os

# NumPy starts a thread per core for linear algebra, of which there is none here: a tenth of a
# second of CPU at every start.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
