"""A picture of a running editor, taken by headless Chromium if that is on this machine."""

import shutil
import time
from pathlib import Path

PASSWORD_SECONDS = 60
WORKBENCH_SECONDS = 120
"""A busy machine takes a minute to start a browser and to load the editor."""


def photograph(url: str, password: str, path: Path) -> bool:
    """Logs in at ``url`` and writes a PNG of the editor to ``path``; False where there is no browser for it.

    Raises ``selenium.common.exceptions.TimeoutException`` when the editor does not appear.
    """
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        return False
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService, Keys
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.expected_conditions import presence_of_element_located
    from selenium.webdriver.support.wait import WebDriverWait

    options = ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1440,900"):
        options.add_argument(argument)
    browser = Chrome(options=options, service=ChromeService(driver))
    try:
        browser.get(url)
        field = (By.CSS_SELECTOR, "input[type=password]")
        WebDriverWait(browser, PASSWORD_SECONDS).until(presence_of_element_located(field)).send_keys(
            password, Keys.ENTER
        )
        rows = (By.CSS_SELECTOR, ".explorer-folders-view .monaco-list-row")
        WebDriverWait(browser, WORKBENCH_SECONDS).until(presence_of_element_located(rows))
        time.sleep(5)  # what comes after the list of files: the welcome page, colours
        path.parent.mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(path))
    finally:
        browser.quit()
    return True
