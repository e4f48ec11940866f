"""The link that opens an interview without typing its password."""

from urllib.parse import quote, urlsplit

from contract.names import JOIN_LABEL


def interview_link(access_url: str, interview_id: str, password: str) -> str:
    """The link to send to the candidate; empty without an ``access_url`` or a ``password``.

    Browsers keep what follows ``#`` to themselves (https://www.rfc-editor.org/rfc/rfc9110#section-4.2.4), so the
    password reaches no log and no other site. constructs/waiting_page.py is the page that it opens.
    """
    address = urlsplit(access_url)
    domain = address.netloc.removeprefix(f"{interview_id}.")
    if not password or domain == address.netloc:
        return ""
    return f"{address.scheme}://{JOIN_LABEL}.{domain}/#{interview_id}:{quote(password, safe='')}"
