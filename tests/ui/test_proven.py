"""When our own output is used, and what is said when it is not."""

from __future__ import annotations

import pytest
import textual
import textual._compositor
from textual.app import App

from console.config import Config, ScreenSettings
from console.ui import proven
from tests.ui.drive import Ui, drive
from tests.ui.fake import FakeEngine
from tests.ui.scene import everything


def test_the_installed_version_is_proven() -> None:
    assert textual.__version__ in proven.VERSIONS
    assert proven.installed() == textual.__version__
    assert proven.doubt() == ""


def test_the_version_is_found_where_the_folder_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textual, "__file__", "/nowhere/textual/__init__.py")
    assert proven.installed() == textual.__version__


def test_another_version_is_named() -> None:
    assert proven.doubt("99.0").startswith("Textual 99.0 is not proven here (8.2.8 is)")


@pytest.mark.parametrize("how", ["missing", "other parameters"])
def test_a_class_of_another_shape_is_named(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "missing":
        monkeypatch.delattr(textual._compositor, "ChopsUpdate")
    else:

        class ChopsUpdate:
            def __init__(self, spans: list[int]) -> None: ...

        monkeypatch.setattr(textual._compositor, "ChopsUpdate", ChopsUpdate)
    assert "textual._compositor.ChopsUpdate" in proven.doubt()


def test_a_method_that_takes_something_else_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(App, "_display", lambda self, screen, renderable, sync: None)
    assert "App._display" in proven.doubt()


def test_the_screen_says_once_and_quietly_that_it_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proven, "VERSIONS", ("0.1",))

    async def script(ui: Ui) -> None:
        assert "is not proven here" in ui.text()
        await ui.press("down")
        assert "is not proven here" not in ui.text()

    drive(everything(FakeEngine()), script, (160, 45))


def test_nothing_is_said_where_plain_output_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proven, "VERSIONS", ("0.1",))

    async def script(ui: Ui) -> None:
        assert "is not proven here" not in ui.text()

    plain = Config(screen=ScreenSettings(plain_output=True))
    drive(everything(FakeEngine(plain)), script)
