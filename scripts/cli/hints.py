"""What to type instead, for verbs of other tools."""

_INSTEAD = {
    "create": ("new", "add", "start", "run", "up", "launch", "provision", "apply"),
    "destroy": ("delete", "del", "rm", "remove", "stop", "kill", "terminate", "down", "end"),
    "list": ("ls", "ps", "all"),
    "show": ("get", "describe", "inspect", "info", "status", "open", "view", "cat"),
    "password": ("passwd", "secret", "credentials", "login"),
    "extend": ("renew", "prolong"),
    "recover": ("repair", "fix", "retry", "restart"),
    "publish": ("push", "upload", "deploy"),
    "rollback": ("revert", "undo"),
}
_OF_INTERVIEWS = ("create", "destroy", "list", "show", "password", "extend", "recover")
_SINGULAR = {"template": "templates", "interviews": "interview", "challenges": "challenge", "images": "image"}


def hint(command: str, word: str, known: list[str]) -> str:
    """The command line that somebody meant with ``word`` after ``command``, whose subcommands are ``known``; or ''."""
    if word in ("help", "-help", "--usage", "?"):
        return f"{command} --help"
    if word == "version":
        return f"{command} --version" if command == "prequel" else ""
    if word in _SINGULAR and _SINGULAR[word] in known:
        return f"{command} {_SINGULAR[word]}"
    verb = next((verb for verb, others in _INSTEAD.items() if word == verb or word in others), "")
    if verb not in known and "interview" not in known:
        verb = {"destroy": "remove", "create": "publish", "show": "status", "list": "status"}.get(verb, verb)
    if verb in known:
        return f"{command} {verb}"
    if "interview" in known and verb in _OF_INTERVIEWS:
        return f"{command} interview {verb}"
    return ""
