"""The verbs of the program, in the order of the help page. Other packages add verbs by the entry-point group
``imgsearch.commands``; they cannot replace one of these."""

from __future__ import annotations

import importlib
import operator
from dataclasses import dataclass
from typing import Any

from imgsearch.cli.command import Command

GROUP = "imgsearch.commands"


def load(place: str) -> Any:
    """What lies at "module:NAME"."""
    module, _, name = place.partition(":")
    return operator.attrgetter(name)(importlib.import_module(module))


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb, its `Command` as "module:NAME", and its line in the help."""

    name: str
    place: str
    summary: str = ""  # "" for a verb of another package, whose Command has it

    def load(self) -> Command:
        """Its command. Raises TypeError if the place holds something else."""
        command = load(self.place)
        if not isinstance(command, Command):
            raise TypeError(f"the verb {self.name} ({self.place}) is {type(command).__name__}, not a Command")
        return command

    def help_line(self) -> str:
        """Its line in `imgsearch --help`."""
        return self.summary or self.load().summary


_VERBS = "imgsearch.cli.verbs"

TABLE = {
    verb.name: verb
    for verb in (
        Verb("demo", f"{_VERBS}.demo:DEMO", "draw pictures, index and search them with the model that ships"),
        Verb("index", f"{_VERBS}.index:INDEX", "read pictures into a library, or bring it up to date"),
        Verb("job", "imgsearch.cli.jobs.verb:JOB", "embed large collections in shards, on one machine or many"),
        Verb("build", f"{_VERBS}.build:BUILD", "build the index that makes large libraries quick to search"),
        Verb("search", f"{_VERBS}.search:SEARCH", "find pictures by describing them"),
        Verb("album", "imgsearch.cli.albums.verb:ALBUM", "keep pictures together in albums, and give these to others"),
        Verb("favourite", "imgsearch.cli.albums.marks:FAVOURITE", "make pictures favourites, found by is:favourite"),
        Verb("hide", "imgsearch.cli.albums.marks:HIDE", "keep pictures out of every answer, until you ask is:hidden"),
        Verb("unhide", "imgsearch.cli.albums.marks:UNHIDE", "show hidden pictures again"),
        Verb("show", f"{_VERBS}.show:SHOW", "all facts of a picture, and where each comes from"),
        Verb("caption", f"{_VERBS}.caption:CAPTION", "write what pictures show, and check it"),
        Verb("ask", f"{_VERBS}.ask:ASK", "ask a question about pictures"),
        Verb("alt-text", f"{_VERBS}.alt_text:ALT_TEXT", "give captions to other programs as alternative texts"),
        Verb("read", "imgsearch.cli.texts.read:READ", "read the words that stand in pictures"),
        Verb("features", f"{_VERBS}.features:FEATURES", "write the Q-Former's features of pictures and texts"),
        Verb("serve", "web.cli:SERVE", "open the library in a browser"),
        Verb("dedup", "imgsearch.cli.dedup.verb:DEDUP", "find copies of pictures, move them away, and get them back"),
        Verb("stats", f"{_VERBS}.library:STATS", "what a library holds"),
        Verb("failures", f"{_VERBS}.library:FAILURES", "files that could not be indexed, and why"),
        Verb("verify", f"{_VERBS}.library:VERIFY", "check every checksum and count of a library"),
        Verb("switch", f"{_VERBS}.library:SWITCH", "make the vectors of another model the library's, and back"),
        Verb("catalog", "imgsearch.cli.catalog:CATALOG", "move a library's catalog into PostgreSQL, or back"),
        Verb("compact", f"{_VERBS}.library:COMPACT", "free the space of deleted pictures"),
        Verb("forget", f"{_VERBS}.library:FORGET", "take a folder out of a library; its pictures stay on disk"),
        Verb("calibrate", f"{_VERBS}.calibrate:CALIBRATE", "set the score from which on a hit counts as a match"),
        Verb(
            "models",
            f"{_VERBS}.models:MODELS",
            "list the models and what they need; `pull NAME` fetches, `export NAME` speeds up",
        ),
        Verb("eval", f"{_VERBS}.evaluate:EVAL", "measure recall, on captioned pictures or on your own"),
        Verb("scenes", f"{_VERBS}.scenes:SCENES", "draw captioned pictures of little scenes, with their captions"),
        Verb("train", f"{_VERBS}.train:TRAIN", "make the small model anew, on drawn scenes"),
        Verb("tune", "imgsearch.cli.tuning.verb:TUNE", "teach a model your own words by your pictures and captions"),
        Verb("completion", "imgsearch.cli.shell.completion:COMPLETION", "print completion for bash, zsh or fish"),
        Verb("manual", "imgsearch.cli.shell.manual:MANUAL", "print the manual page"),
    )
}
"""Name -> verb."""


def every_verb() -> dict[str, Verb]:
    """The verbs of the table and, by name, those of other packages. Reads the entry points of all installed
    packages."""
    from importlib.metadata import entry_points

    others = {
        point.name: Verb(point.name, f"{point.module}:{point.attr}")
        for point in entry_points(group=GROUP)
        if point.name not in TABLE and not _is_own(point.module)
    }
    return {**TABLE, **{name: others[name] for name in sorted(others)}}


def find_verb(name: str) -> Verb | None:
    """The verb of that name. Other packages are only searched for a name that is not in the table."""
    return TABLE.get(name) or every_verb().get(name)


def _is_own(module: str) -> bool:
    """Whether the module is one of ours: an earlier installation registered verbs that no longer exist."""
    return module.partition(".")[0] in ("imgsearch", "indexer", "web")
