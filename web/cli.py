"""`imgsearch serve`: serves the library to a browser."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from imgsearch.cli.command import Command
from imgsearch.cli.parser import whole
from imgsearch.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from imgsearch.generation.contract import Generator
    from imgsearch.settings import Settings
    from web.config import WebConfig
    from web.opening import Opening
    from web.server import Server
    from web.services.generation import GenerationService

_OTHER_THREADS = 16
"""Workers beside those that searches and streams may hold: for thumbnails, pages, and refusals."""

_EPILOG = """\
Without a library the page makes one: a model, folders, and the pictures as they come.

Only this machine can reach the page, unless --host names another address; then a password (--set-password) or a token
(--new-token) is needed, and a proxy in front should add HTTPS. Ctrl-C ends it: what is under way is answered first.
More in docs/operations.md and docs/security.md.
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (127.0.0.1)")
    parser.add_argument("--port", type=whole(0, 65535), default=8765, metavar="N", help="0 takes a free one (8765)")
    parser.add_argument("--library", metavar="DIR", help="where the library is")
    parser.add_argument("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument(
        "--rerank",
        type=whole(0, 100_000, "rerank", "leave it out to have it chosen by the device"),
        metavar="N",
        help="re-read the N best with ITM; by device unless given",
    )
    parser.add_argument(
        "--generator",
        metavar="NAME",
        help="what writes captions and answers, as in `imgsearch caption`, or none; beside the small model it is mini "
        "unless given, else none",
    )
    parser.add_argument(
        "--language-model", metavar="DIR", help="of a generator that is a LAVIS .pth: the OPT or Flan-T5 it belongs to"
    )
    parser.add_argument("--quantize", choices=("int8", "int4"), help="keep the generator's weights in few bits")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a name that this machine is called by"
    )
    parser.add_argument(
        "--allow-folder",
        action="append",
        metavar="DIR",
        help="the page may offer and read the folders below this one (your home folder); none: no folder",
    )
    parser.add_argument("--https", action="store_true", help="people come over HTTPS: send cookies over nothing else")
    parser.add_argument(
        "--proxy", action="store_true", help="believe X-Forwarded-For, -Proto and -Host: a proxy of mine sets them"
    )
    parser.add_argument("--prefix", default="", metavar="PATH", help="serve under this path, such as /photos")
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument("--set-password", action="store_true", help="ask for a password to log in with, and exit")
    keys.add_argument("--new-token", action="store_true", help="make a token for a program, print it, and exit")


def _run(arguments: argparse.Namespace) -> int:
    # As in `imgsearch search`: a query is made of small products, which OpenBLAS's threads wait for more than they
    # work on; the server's own threads use the cores. NumPy reads this when it is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from imgsearch.settings import load_settings

    allowed = arguments.allow_folder and os.pathsep.join(arguments.allow_folder)
    settings = load_settings(vars(arguments) | {"allow_folder": allowed})
    if arguments.set_password or arguments.new_token:
        return _change_access(settings, password=arguments.set_password)
    return _serve(arguments, settings)


def _change_access(settings: Settings, *, password: bool) -> int:
    from web.http.access import read_access, write_access

    folder = _library_folder(settings)
    access = read_access(folder)
    if password:
        write_access(folder, access.with_password(_ask_password()))
        print("The password is set. A server that is running takes it when it starts again.")
        return 0
    access, token = access.with_new_token()
    write_access(folder, access)
    print(token)
    print("Kept nowhere; programs send it as `Authorization: Bearer TOKEN`.", file=sys.stderr)
    return 0


def _library_folder(settings: Settings) -> Path:
    """The folder of the library, made where there is none: a server that others reach needs its password first. Raises
    StorageFull if it cannot be made, and what `open_store` raises for a library that cannot be opened."""
    from imgsearch.app import open_store
    from imgsearch.errors import StorageFull
    from imgsearch.storage import library_exists

    if library_exists(settings.library):
        with open_store(settings) as store:
            return store.path
    try:
        settings.library.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StorageFull(f"{settings.library} cannot be made: {exc.strerror}", "name another with --library") from exc
    return settings.library


def _ask_password() -> str:
    """Read from the terminal twice, or from a pipe as one line."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Password: ")
    if password != getpass.getpass("Once more: "):
        raise UsageError("the two passwords differ", "imgsearch serve --set-password")
    return password


def _serve(arguments: argparse.Namespace, settings: Settings) -> int:
    try:
        import flask  # noqa: F401
        import waitress  # noqa: F401
    except ImportError as exc:
        raise UsageError(f"serve needs {exc.name}, which is not installed", "pip install 'imgsearch[web]'") from exc
    from web.opening import Opening, ServerParts

    config, alone = _web_config(arguments, settings)
    keep = partial(_keep_key, config)
    parts = ServerParts(settings, config, partial(_generation, arguments, settings), keep, alone or _named(settings))
    with closing(Opening(parts)) as opening:
        opening.begin()
        server = _bound(opening, arguments, config)
        server.leave_on_signals()
        address = _url(arguments.host, server.address[1], config.prefix)
        print(f"imgsearch: {opening.library or 'no library yet, make one'} at {address}", flush=True)
        clean = server.run()
    if not clean:
        print("imgsearch: some requests took too long and were cut off", file=sys.stderr)
    return 0


def _named(settings: Settings) -> bool:
    """Whether the owner named folders that the page may read."""
    return bool(settings.allow_folder)


def _generation(arguments: argparse.Namespace, settings: Settings, model: str) -> GenerationService:
    """The service that writes, with the generator that the settings name, loaded when it is first asked for. Raises
    UsageError, ModelUnavailable and CheckpointInvalid for one that is not there."""
    from importlib.util import find_spec

    from imgsearch.errors import ModelUnavailable
    from imgsearch.generation.sources import SHIPPED, find_generator
    from web.services.generation import GenerationService

    language, quantize = arguments.language_model, arguments.quantize
    name = settings.generator or (SHIPPED if model == SHIPPED and find_spec("torch") else "none")
    if name == "none":
        return GenerationService()
    try:
        find_generator(name, language)
    except ModelUnavailable:
        if settings.generator:
            raise
        return GenerationService()

    def load() -> Generator:
        from imgsearch.generation import load_generator

        return load_generator(name, language, settings.device, settings.dtype, quantize=quantize)

    return GenerationService(load, name, quantize=quantize)


def _web_config(arguments: argparse.Namespace, settings: Settings) -> tuple[WebConfig, bool]:
    """The settings of this server, and whether only this machine reaches it. Raises UsageError if others could come in
    without a password or a token."""
    from web.config import WebConfig
    from web.http.access import read_access
    from web.http.proxy import read_prefix
    from web.server import is_loopback

    access = read_access(settings.library)
    try:
        alone = is_loopback(arguments.host)
    except OSError as exc:
        raise UsageError(
            f"--host {arguments.host} is not an address: {exc.strerror or exc}", "for example --host 127.0.0.1"
        ) from exc
    if not alone and access.password_hash is None and not access.token_hashes:
        raise UsageError(
            f"--host {arguments.host} lets other machines in, and the library has no password",
            "set one first: imgsearch serve --set-password",
        )
    names = ("localhost", arguments.host, *map(_without_port, arguments.allow_host))
    config = WebConfig(
        hosts=tuple(dict.fromkeys(name.lower() for name in names)),
        password_hash=access.password_hash,
        token_hashes=access.token_hashes,
        secret_key=bytes.fromhex(access.secret_key),
        secure_cookie=arguments.https,
        proxy=arguments.proxy,
        prefix=read_prefix(arguments.prefix),
        folders=_folders(settings),
    )
    return config, alone and not arguments.proxy


def _folders(settings: Settings) -> tuple[str, ...]:
    """Those below which the page may offer and read folders: the home folder, unless the settings name others."""
    if settings.allow_folder == "none":
        return ()
    named = [folder for folder in settings.allow_folder.split(os.pathsep) if folder] or ["~"]
    for folder in named:
        if not os.path.isdir(os.path.expanduser(folder)):  # noqa: PTH111, PTH112
            raise UsageError(f"--allow-folder {folder} is no folder", "name one that is there, or none")
    return tuple(os.path.expanduser(folder) for folder in named)  # noqa: PTH111


def _keep_key(config: WebConfig, library: Path) -> None:
    """Store a new key, so that a restart logs nobody out. If the folder takes no file, sessions end with the server."""
    from imgsearch.errors import StorageFull
    from web.http.access import FILE_NAME, Access, write_access

    if not (library / FILE_NAME).exists():
        try:
            write_access(library, Access(config.password_hash, config.token_hashes, config.secret_key.hex()))
        except StorageFull as error:
            print(f"note: {error.message}; sessions end with the server", file=sys.stderr)


def _bound(opening: Opening, arguments: argparse.Namespace, config: WebConfig) -> Server:
    """The listening server. Raises UsageError if the address is not available."""
    from web.problems import refusal_of
    from web.server import Server
    from web.services.generation import WAITING

    try:
        return Server(
            opening,
            arguments.host,
            arguments.port,
            threads=config.searches + config.streams + WAITING + _OTHER_THREADS,
            max_body_bytes=config.max_upload_bytes + 1_000_000,
            draining=opening.draining,
            proxy=config.proxy,
            refusing=refusal_of(opening.app),
        )
    except (OSError, ValueError, OverflowError) as exc:
        raise UsageError(
            f"{arguments.host} port {arguments.port} cannot be listened on: {exc}", "take another: --port 0 finds one"
        ) from exc


def _without_port(name: str) -> str:
    """The host name in "photos.example:8443", or the address inside brackets."""
    from urllib.parse import urlsplit

    try:
        return urlsplit(f"//{name}").hostname or name
    except ValueError:
        return name


def _url(host: str, port: int, prefix: str = "") -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}{prefix}/"


SERVE = Command("open the library in a browser", _configure, _run)
