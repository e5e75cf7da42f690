"""What a plugin may offer: one specification per hook, each an ordinary function with a docstring.

Types only; imports nothing of the engine but problems. A plugin is a folder (or an installed
package with an entry point in the group ``dougong``) whose module implements some of these with
`implement`; it declares only the arguments it needs.
"""

from engine.hooks.channels import (
    CHANNELS,
    Answer,
    ChannelKind,
    GiveUp,
    Label,
    Message,
    Pace,
    Retry,
    Setting,
    Transport,
    register_channel,
)
from engine.hooks.specs import GROUP, implement

__all__ = [
    "CHANNELS",
    "GROUP",
    "Answer",
    "ChannelKind",
    "GiveUp",
    "Label",
    "Message",
    "Pace",
    "Retry",
    "Setting",
    "Transport",
    "implement",
    "register_channel",
]
