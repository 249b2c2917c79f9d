"""The statements about two images and how sure each is: the records that every module of this room shares."""

from __future__ import annotations

from dataclasses import dataclass, field

from imgsearch.records import MediaFacts

TIERS = ("bytes", "pixels", "perceptual", "near", "part", "stack", "burst", "semantic")
"""Strongest first. *bytes*: the same file content. *pixels*: the same samples at their full depth, with transparency,
of every frame or page, whatever container, metadata or EXIF rotation. *perceptual*: the same image, resized, compressed
again, slightly recoloured, turned or mirrored. *near*: the same shot, cropped, written over or filtered. *part*: one
file shows only the first image, or less of each sample, of what the other holds. *stack*: files that belong together,
such as a RAW and its JPEG. *burst*: another shot: a burst, a bracket, a series. *semantic*: the same scene."""

NEVER_MOVED = ("part", "stack", "burst", "semantic")
"""Tiers of files that are not copies of each other: no plan moves them, whoever wrote it."""

ACTED_ON = ("bytes", "pixels", "perceptual")
"""The tiers whose copies a plan moves by default. Bursts and semantic neighbours are never moved."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why one image is a copy of another; None for everything that a tier does not measure."""

    tier: str  # one of TIERS
    score: float  # 0..1, how sure; 1 for bytes and pixels
    orientation: int = 1  # EXIF orientation (1-8) that makes the second look like the first
    hamming: int | None = None  # Hamming distance of the pHashes at that orientation, 0..64
    difference: float | None = None  # largest local difference of lightness once aligned, 0..1
    overlap: float | None = None  # share of the first's area that the second shows, 0..1; under 1 for a crop
    similarity: float | None = None  # of the embeddings, -1..1
    seconds: float | None = None  # between the two shots, where both say when they were taken
    why: str = ""  # what decided, for a person, if the tier does not say it: "RAW and its JPEG"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images of a library by image id, ``first < second``, and their strongest evidence."""

    first: int
    second: int
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Copy:
    """A file that may be kept or moved, as the library knows it."""

    path: str  # absolute; bytes that are not UTF-8 as lone surrogates
    root_id: int
    image_id: int
    size_bytes: int  # of the file
    mtime_ns: int
    facts: MediaFacts  # of its content
    links: int = 1  # names that the file has on disk; above 1 a move frees nothing


@dataclass(frozen=True, slots=True)
class Companion:
    """A file beside an image that moves along with it: a sidecar, the film of a Live Photo, a sound note."""

    path: str  # absolute; bytes that are not UTF-8 as lone surrogates
    sha256: str  # of its bytes, hex
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a group that is not kept, and its evidence with the keeper, or ``through`` another member that it was
    compared with instead; plans do not hold that one."""

    copy: Copy
    evidence: Evidence  # the keeper is the first, this the second
    move: bool = (
        True  # whether a plan moves it; False for what is only shown, and for another name of the keeper's file
    )
    stays: str = ""  # why a file of a moved tier is not moved: "it alone has transparency"; "" if it is moved
    companions: tuple[Companion, ...] = ()  # files that are moved along, and come back with it
    through: Copy | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Group:
    """Files that show one image. Each member is compared with the keeper itself, so that groups do not chain."""

    keeper: Copy
    reason: str  # "larger, has EXIF"
    members: tuple[Member, ...]  # strongest evidence first, then by path
    kept: tuple[
        Member, ...
    ] = ()  # files of reference folders that show it too: kept beside the keeper, whatever they are
    picture: int = 0  # groups with one number show versions of one image; 0 if a group is alone
