"""What is said of the kernels, with and without a native library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gmapi.computercraft import native
from gmapi.computercraft.selection import select
from gmapi.errors import SettingsError
from gmapi.settings import Settings
from gmapi.terminal.doctor import check_kernels
from gmapi.terminal.startup import prepare
from gmapi.tools.screens.kernel_state import KERNEL_REMEDY, kernel_state


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installation without a C++ compiler."""
    monkeypatch.setattr(native, "library_path", lambda: None)
    select.cache_clear()
    yield
    select.cache_clear()


@pytest.mark.skipif(native.library_path() is None, reason="the native library is not built")
def test_native_code_is_taken_where_it_was_built() -> None:
    state = kernel_state(Settings(kernels="auto"))
    assert (state.name, state.detail) == ("native", "native code")
    assert state == kernel_state(Settings(kernels="native"))
    assert check_kernels(Settings()).state == "ok"


def test_numpy_by_choice_is_no_trouble() -> None:
    settings = Settings(kernels="numpy")
    assert kernel_state(settings).name == "numpy"
    check = check_kernels(settings)
    assert (check.state, check.remedy) == ("ok", None)


@pytest.mark.usefixtures("no_library")
def test_numpy_for_want_of_a_library_is_a_warning_with_a_remedy() -> None:
    assert kernel_state(Settings()).name == "numpy"
    check = check_kernels(Settings())
    assert (check.name, check.state, check.remedy) == ("kernels", "warning", KERNEL_REMEDY)
    assert "slower" in check.text
    assert "C++ compiler" in check.text


@pytest.mark.usefixtures("no_library")
def test_a_server_that_must_have_native_code_does_not_start_without(tmp_path: Path) -> None:
    settings = Settings(kernels="native", data_dir=tmp_path / "data")
    with pytest.raises(SettingsError) as caught:
        prepare(settings)
    (problem,) = caught.value.problems
    assert problem.startswith("GMAPI_KERNELS: ")
    assert KERNEL_REMEDY in problem
    assert not settings.data_dir.exists()
    check = check_kernels(settings)
    assert (check.state, check.text) == ("failure", problem)
    assert check.remedy
