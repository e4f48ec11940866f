"""code-server over HTTP, and in a real browser."""

import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from selenium.common.exceptions import (
    ElementNotInteractableException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver import Chrome, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from contract.names import CODE_SERVER_PORT
from tests import machine
from tests.candidate.container import Container, wait_for

T = TypeVar("T")

URL = f"http://127.0.0.1:{CODE_SERVER_PORT}"

TERMINAL = ".terminal-wrapper.active .xterm-rows"
"""The lines of the terminal that is shown."""

WAIT_SECONDS = 180
"""Long, for a machine that runs other tests beside a browser and an editor; only what fails takes so long."""

_CHROMIUM = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-3d-apis",  # so that a terminal is written, not drawn, and can be read
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1440,900",
)


def wait_until_healthy(container: Container, *, seconds: float = 120) -> int:
    """The status that ``/healthz`` answers with at last; raises ``AssertionError`` when the container ends first."""

    def look() -> int | None:
        assert container.is_running, container.output
        with urllib.request.urlopen(f"{URL}/healthz", timeout=5) as answer:  # noqa: S310  (a constant)
            return int(answer.status)

    return wait_for(look, f"/healthz of {container.image}", seconds=seconds)


def log_in(password: str) -> str:
    """The path where code-server sends a browser that submits ``password``."""
    form = urllib.parse.urlencode({"password": password}).encode()
    request = urllib.request.Request(f"{URL}/login", data=form)  # noqa: S310  (a constant)
    with urllib.request.build_opener(urllib.request.HTTPCookieProcessor()).open(request, timeout=10) as answer:
        return urllib.parse.urlparse(str(answer.url)).path


@contextmanager
def browser(directory: Path) -> Iterator["Browser"]:
    """A headless Chromium with a fresh profile in ``directory``."""
    commands = machine.require(machine.BROWSER)
    options = ChromeOptions()
    options.binary_location = commands["chromium"]
    for argument in (*_CHROMIUM, f"--user-data-dir={directory}"):
        options.add_argument(argument)
    chrome = Chrome(options=options, service=ChromeService(commands["chromedriver"]))
    try:
        yield Browser(chrome)
    finally:
        chrome.quit()


class Browser:
    """What a person does with code-server in a browser; every step waits for what it needs."""

    def __init__(self, chrome: Chrome) -> None:
        self._chrome = chrome

    def open(self, path: str = "/") -> None:
        """Goes to ``path``."""
        self._chrome.get(URL + path)

    def go(self, url: str) -> None:
        """Goes to any address."""
        self._chrome.get(url)

    @property
    def address(self) -> str:
        """What the address bar shows."""
        return self._chrome.current_url

    def submit_password(self, password: str) -> None:
        """Types a password into the login page and submits it."""
        field = self.find("input[type=password]")
        field.clear()
        field.send_keys(password, Keys.ENTER)

    def find(self, selector: str) -> WebElement:
        """The first visible element."""
        return self._wait(lambda: self._visible(selector), selector)

    def text_of(self, selector: str) -> str:
        """All text below the elements, with ordinary spaces."""
        return "\n".join(element.text for element in self._all(selector)).replace("\xa0", " ")

    def wait_for_text(self, selector: str, text: str) -> None:
        """Waits until the elements hold ``text``."""
        self._wait(lambda: text in self.text_of(selector) or None, f"{text} in {selector}")

    def wait_until_gone(self, selector: str, text: str) -> None:
        """Waits until no such element holds ``text``."""
        self._wait(lambda: text not in self.text_of(selector) or None, f"{text} to go from {selector}")

    def press(self, *keys: str) -> None:
        """Presses keys together, such as control and s."""
        chain = ActionChains(self._chrome)
        for key in keys:
            chain.key_down(key)
        for key in reversed(keys):
            chain.key_up(key)
        chain.perform()

    def type(self, text: str) -> None:
        """Types into what has the focus."""
        ActionChains(self._chrome).send_keys(text).perform()

    def choose(self, command: str) -> None:
        """Runs one of the editor's commands by its name in the command palette."""
        self._wait(lambda: self._chosen(command) or None, f"the command {command}")

    def open_file(self, name: str) -> None:
        """Opens a file of the folder."""
        row = self.find(f".explorer-folders-view [aria-label='{name}']")
        ActionChains(self._chrome).double_click(row).perform()
        self.find(f".tab.active[data-resource-name='{name}']")

    def write_line(self, text: str) -> None:
        """Writes a line above the others of the open file, and again where it was lost."""
        # While the workbench still loads, it may take the focus away; a person sees that, and clicks once more.
        self._wait(lambda: self._line_written(text) or None, f"the line {text}")

    def edit(self, name: str, line: str) -> None:
        """Opens a file of the folder, writes a line above the others, and saves."""
        self.open_file(name)
        self.write_line(line)
        self.press(Keys.CONTROL, "s")

    def run_in_terminal(self, command: str) -> None:
        """Opens a terminal and runs a shell command in it."""
        before = self.text_of(TERMINAL)
        self.choose("Terminal: Create New Terminal")
        # Until its own prompt is there, the active terminal is the one before.
        self._wait(lambda: self.text_of(TERMINAL) not in ("", before) or None, "the prompt of a new terminal")
        self._wait(lambda: self._command_written(command) or None, f"the command {command}")
        self._focus_terminal()
        self.type("\n")

    def click_button(self, label: str) -> None:
        """Clicks a button by its text."""
        self._wait(lambda: self._clicked(label) or None, f"the button {label}")

    def screenshot(self, path: Path) -> None:
        """Writes a PNG."""
        self._chrome.save_screenshot(str(path))

    def _clicked(self, label: str) -> bool:
        button = next((one for one in self._all(".monaco-button") if one.text == label and one.is_displayed()), None)
        if button is not None:
            button.click()
        return button is not None

    def _chosen(self, command: str) -> bool:
        """A part of the page that is still loading may swallow the key, or take the focus, which closes the palette."""
        opened = ".quick-input-widget input"
        field = self._visible(opened) or self._after(Keys.F1, opened)
        if field is None:
            return False
        try:
            field.send_keys(Keys.CONTROL, "a")
            field.send_keys(f">{command}")
            rows = ".quick-input-list .monaco-list-row.focused"
            WebDriverWait(self._chrome, 10, 0.2).until(lambda _: command in self.text_of(rows))
            field.send_keys(Keys.ENTER)
        except (ElementNotInteractableException, StaleElementReferenceException, TimeoutException):
            return False
        return True

    def _line_written(self, text: str) -> bool:
        lines = ".editor-group-container.active .view-lines"
        ActionChains(self._chrome).click(self.find(lines)).perform()
        if self._visible(".editor-group-container.active .monaco-editor.focused") and text not in self.text_of(lines):
            ActionChains(self._chrome).key_down(Keys.CONTROL).send_keys(Keys.HOME).key_up(Keys.CONTROL).perform()
            self.type(f"{text}\n")
        return text in self.text_of(lines)

    def _focus_terminal(self) -> None:
        """A part of the page that opens late, such as the instructions, takes the focus."""
        [field] = self._all(".terminal-wrapper.active textarea")
        self._chrome.execute_script("arguments[0].focus()", field)

    def _command_written(self, command: str) -> bool:
        written = "".join(command.split())

        def shown() -> bool:
            return written in "".join(self.text_of(TERMINAL).split())  # a row ends where the terminal does

        if not shown():
            self._focus_terminal()
            self.press(Keys.CONTROL, "u")
            self.type(command)
            with suppress(TimeoutException):
                WebDriverWait(self._chrome, 15, 0.2).until(lambda _: shown())
        return shown()

    def _after(self, key: str, selector: str) -> WebElement | None:
        self.press(key)
        return self._visible(selector)

    def _visible(self, selector: str) -> WebElement | None:
        return next((element for element in self._all(selector) if element.is_displayed()), None)

    def _all(self, selector: str) -> list[WebElement]:
        return self._chrome.find_elements(By.CSS_SELECTOR, selector)

    def _wait(self, look: Callable[[], T | None], what: str) -> T:
        wait = WebDriverWait(self._chrome, WAIT_SECONDS, 0.2, ignored_exceptions=[StaleElementReferenceException])
        return wait.until(lambda _: look(), what)  # type: ignore[return-value]


@dataclass(frozen=True)
class Session:
    """A running editor of our image: ``home`` is the candidate's home directory, seen from outside."""

    container: Container
    home: Path
    browser: Browser
