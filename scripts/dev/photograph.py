"""A picture of a running editor, taken by headless Chromium if that is on this machine."""

import os
import shutil
import tempfile
import time
from pathlib import Path

from scripts.errors import PrequelError

PASSWORD_SECONDS = 60
WORKBENCH_SECONDS = 120
"""A busy machine takes a minute to start a browser and to load the editor."""


def photograph(url: str, password: str, path: Path) -> bool:
    """Logs in at ``url`` and writes a PNG of the editor to ``path``; False where there is no browser for it.

    Raises ``PrequelError`` when the editor does not appear.
    """
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        return False
    from selenium.common.exceptions import TimeoutException, WebDriverException
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService, Keys
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.expected_conditions import presence_of_element_located
    from selenium.webdriver.support.wait import WebDriverWait

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
            field = (By.CSS_SELECTOR, "input[type=password]")
            found = WebDriverWait(browser, PASSWORD_SECONDS).until(presence_of_element_located(field))
            found.send_keys(password, Keys.ENTER)
            rows = (By.CSS_SELECTOR, ".explorer-folders-view .monaco-list-row")
            WebDriverWait(browser, WORKBENCH_SECONDS).until(presence_of_element_located(rows))
            time.sleep(5)  # what comes after the list of files: the welcome page, colours
            path.parent.mkdir(parents=True, exist_ok=True)
            browser.save_screenshot(str(path))
        except TimeoutException as error:
            raise PrequelError(f"the editor at {url} did not appear in a browser") from error
        finally:
            browser.quit()
    return True
