"""A story brings TenysonJobs into their states, and shows each on the way."""

from collections.abc import Callable
from typing import Final

from hack.states import endings, lives, refusals, waits
from hack.states.stage import Stage

Story = Callable[[Stage], None]

ALL: Final[dict[str, Story]] = {
    f"{module.__name__.rpartition('.')[2]}-{story.__name__.replace('_', '-')}": story
    for module in (waits, refusals, lives, endings)
    for story in module.STORIES
}
"""Every story by its name, which is also its namespace's."""
