"""A picture of a running editor, taken by headless Chromium if that is on this machine."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.errors import PrequelError

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

PASSWORD_SECONDS = 60
WORKBENCH_SECONDS = 180
"""A busy machine takes a minute to start a browser and to load the editor."""

_CLOCK = "//*[contains(@class, 'statusbar-item')][contains(., ' left')]"
_LOADING = "//*[contains(@class, 'statusbar-item')][contains(., 'Activating Extensions')]"


def photograph(url: str, password: str, path: Path) -> bool:
    """Logs in at ``url`` and writes a PNG to ``path`` when the editor shows the instructions and the remaining time.

    Returns False where there is no browser for it. Raises ``PrequelError`` when the editor does not appear.
    """
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        return False
    from selenium.common.exceptions import TimeoutException, WebDriverException
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1440,900"):
        options.add_argument(argument)
    # Chromium leaves files where temporary ones go, and its socket's path must not be longer than 107 bytes (unix(7)).
    with tempfile.TemporaryDirectory(prefix="picture-", dir="/tmp", ignore_cleanup_errors=True) as scratch:
        options.add_argument(f"--user-data-dir={scratch}/profile")
        service = ChromeService(driver, env={**os.environ, "TMPDIR": scratch})
        try:
            browser = Chrome(options=options, service=service)
        except WebDriverException as error:
            raise PrequelError(f"chromium does not start: {(error.msg or '').partition(';')[0]}") from error
        try:
            browser.get(url)
            _enter(browser, password)
            path.parent.mkdir(parents=True, exist_ok=True)
            browser.save_screenshot(str(path))
        except TimeoutException as error:
            raise PrequelError(f"the editor at {url} did not appear in a browser: {error.msg}") from error
        finally:
            browser.quit()
    return True


def _enter(browser: "Chrome", password: str) -> None:
    """Logs in, and waits until what a candidate reads first is there; raises ``TimeoutException``."""
    from selenium.webdriver import Keys
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support import expected_conditions as expected
    from selenium.webdriver.support.wait import WebDriverWait

    field = expected.presence_of_element_located((By.CSS_SELECTOR, "input[type=password]"))
    WebDriverWait(browser, PASSWORD_SECONDS).until(field, "no field for a password").send_keys(password, Keys.ENTER)
    workbench = WebDriverWait(browser, WORKBENCH_SECONDS)
    workbench.until(expected.presence_of_element_located((By.XPATH, _CLOCK)), "no remaining time in the status bar")
    # The instructions are a page in a frame of a frame, so that they cannot reach the editor.
    for frame in ("iframe.webview.ready", "iframe#active-frame"):
        workbench.until(expected.frame_to_be_available_and_switch_to_it((By.CSS_SELECTOR, frame)), "no instructions")
    workbench.until(expected.visibility_of_element_located((By.TAG_NAME, "h1")), "no instructions")
    browser.switch_to.default_content()
    workbench.until(expected.invisibility_of_element_located((By.XPATH, _LOADING)), "extensions that never start")
