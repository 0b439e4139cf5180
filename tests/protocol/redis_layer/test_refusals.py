"""What Redis refuses to a user, in words that name the user and the command."""

from __future__ import annotations

import pytest

from trunkline.protocol.redis_layer.refusals import HINT, explained
from trunkline.protocol.redis_layer.scripts import SCRIPTS

URL = "redis://app:secret@host"
SHA = SCRIPTS["renew"].sha
LINES = SCRIPTS["renew"].text.splitlines()
TRIM = next(number for number, line in enumerate(LINES, 1) if "XTRIM" in line)
# What Redis 6.2 and 7.0 really say, recorded.
OLD = (
    "Error running script (call to f_{sha}): @user_script:{line}: @user_script: {line}: "
    "The user executing the script {what}"
)
NEW = "The user executing the script {what} script: {sha}, on @user_script:{line}."
COMMAND = "can't run this command or subcommand"
KEY = "can't access at least one of the keys mentioned in the command arguments"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "NOPERM this user has no permissions to run the 'set' command or its subcommand",
            "may not run SET:",
        ),
        ("NOPERM this user has no permissions to run the 'client|id' command", "may not run CLIENT ID:"),
        ("this user has no permissions to access one of the keys used as arguments", "may not use a key:"),
        (OLD.format(sha=SHA, line=TRIM, what=COMMAND), "may not run XTRIM in renew.lua:"),
        (NEW.format(sha=SHA, line=TRIM, what=COMMAND), "may not run XTRIM in renew.lua:"),
        (OLD.format(sha=SHA, line=TRIM, what=KEY), "may not use a key in renew.lua:"),
        (NEW.format(sha="0" * 40, line=1, what=COMMAND), "may not run a command:"),
        (NEW.format(sha=SHA, line=9999, what=COMMAND), "may not run a command in renew.lua:"),
    ],
)
def test_a_missing_permission_names_user_command_and_what_to_do(text: str, said: str) -> None:
    shown = explained(text, URL)

    assert shown.startswith("user 'app' ")
    assert said in shown
    assert shown.endswith(HINT)
    assert "secret" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "@user_script: {line}: The user executing the script can't run this command or subcommand",
        "The user executing the script can't run this command or subcommand",
    ],
)
def test_an_error_that_a_script_hands_on_is_that_of_the_script_that_was_called(text: str) -> None:
    script = SCRIPTS["serve"]
    line = next(number for number, row in enumerate(script.text.splitlines(), 1) if "pcall('XGROUP'" in row)

    shown = explained(text.format(line=line), URL, ["EVALSHA", script.sha, 1])
    assert "may not run XGROUP" in shown and " in serve.lua: " in shown
    assert "may not run a command: " in explained(text.format(line=line), URL)
    assert "may not run a command: " in explained(text.format(line=line), URL, ["XADD", "x"])


def test_a_wrong_password_names_the_user() -> None:
    shown = explained("invalid username-password pair or user is disabled.", URL)

    assert shown.startswith("user 'app' is not let in, its password is missing or wrong: ")
    assert explained("NOAUTH Authentication required.", "redis://host").startswith(
        "user 'default' is not let in"
    )


def test_other_errors_stay_as_they_are() -> None:
    assert explained("NOGROUP No such key", URL) == "NOGROUP No such key"
    assert explained(OSError(111, "Connection refused"), URL) == "[Errno 111] Connection refused"


def test_each_script_that_calls_something_can_be_asked_for_it() -> None:
    for name, script in SCRIPTS.items():
        for number, line in enumerate(script.text.splitlines(), 1):
            if "redis.call('" in line.partition("--")[0]:
                said = explained(NEW.format(sha=script.sha, line=number, what=COMMAND), URL)
                assert f"in {name}.lua" in said and "run a command" not in said, line
