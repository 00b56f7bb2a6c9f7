"""Which rights a rule set handles, by the ABI of the kernel."""

from __future__ import annotations

import sys

import pytest

if sys.platform != "linux":
    pytest.skip("Landlock is for Linux", allow_module_level=True)

from gmapi.sandbox import landlock
from gmapi.sandbox.landlock import Handled


@pytest.mark.parametrize(
    ("abi", "files", "tcp", "scoped"),
    [
        (0, 0x0000, 0, 0),
        (1, 0x1FFF, 0, 0),
        (2, 0x3FFF, 0, 0),
        (3, 0x7FFF, 0, 0),
        (4, 0x7FFF, 3, 0),
        (5, 0xFFFF, 3, 0),
        (6, 0xFFFF, 3, 3),
        (7, 0xFFFF, 3, 3),
        (12, 0xFFFF, 3, 3),  # rights of later kernels are not known here
    ],
)
def test_what_is_handled(abi: int, files: int, tcp: int, scoped: int) -> None:
    assert Handled.by(abi) == Handled(files, tcp, scoped)


def test_what_a_writer_may_not_do() -> None:
    """Make folders, links, sockets, fifos and devices, remove folders, execute, use devices."""
    names = {
        "execute": 0, "remove_dir": 4, "make_char": 6, "make_dir": 7, "make_sock": 9,
        "make_fifo": 10, "make_block": 11, "make_sym": 12, "refer": 13, "ioctl_dev": 15,
    }  # fmt: skip
    for name, bit in names.items():
        assert not landlock.WRITE & 1 << bit, name
        assert not landlock.READ & 1 << bit, name
        assert Handled.by(7).files & 1 << bit, name
    assert landlock.READ == 0b1100


def test_a_folder_to_write_to_that_is_not_there_is_an_error() -> None:
    if not (abi := landlock.kernel_abi()):
        pytest.skip("this kernel has no Landlock")
    with pytest.raises(FileNotFoundError) as caught:
        landlock.make_ruleset(abi, (), [b"/no/such/folder"], ())
    assert caught.value.filename == b"/no/such/folder"
