"""Takes secrets out of texts that go to a screen, a log or a document. Pure."""

from __future__ import annotations

import re

_SIGNED = re.compile(r"X-Amz-(Signature|Credential|Security-Token)=[^&\s\"']+", re.IGNORECASE)
_USER = re.compile(r"//[^/@\s]*@|^(?![^\s]*//)[^@\s]*:[^@\s]*@")


def without_secrets(text: str) -> str:
    """The text without what a signed request or a token is made of."""
    return _SIGNED.sub(lambda found: f"X-Amz-{found[1]}=[hidden]", text)


def without_password(text: str) -> str:
    """An address or URL without the user and the password in it, whether it names a scheme or not."""
    return _USER.sub(lambda found: "//***@" if found[0].startswith("//") else "***@", text)
