"""`imgsearch serve`: serves the library to a browser."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from imgsearch.cli.command import Command
from imgsearch.cli.parser import whole
from imgsearch.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from flask import Flask

    from imgsearch.generation.contract import Generator
    from imgsearch.search.engine import Searcher
    from imgsearch.settings import Settings
    from web.config import WebConfig
    from web.http.access import Access
    from web.server import Server
    from web.services.generation import GenerationService

_OTHER_THREADS = 16
"""Workers beside those that searches and streams may hold: for thumbnails, pages, and refusals."""

_EPILOG = """\
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

    settings = load_settings(vars(arguments))
    if arguments.set_password or arguments.new_token:
        return _change_access(settings, password=arguments.set_password)
    return _serve(arguments, settings)


def _change_access(settings: Settings, *, password: bool) -> int:
    from imgsearch.app import open_store
    from web.http.access import read_access, write_access

    with open_store(settings) as store:
        folder = store.path
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
    from imgsearch.app import open_searcher
    from web import create_app
    from web.http.routes.jobs import close_runs
    from web.services.search_service import SearchService, ServiceLimits

    with open_searcher(settings) as searcher:
        config = _web_config(arguments, searcher.store.path)
        limits = ServiceLimits(config.searches, config.max_query_chars, settings.rerank)
        generation = _generation(arguments, settings, searcher.store.model.name)
        with closing(SearchService(searcher, limits, partial(_reopened, settings))) as service, closing(generation):
            app = create_app(service, config, generation)
            server = _bound(app, arguments, config)
            server.leave_on_signals()
            address = _url(arguments.host, server.address[1], config.prefix)
            print(f"imgsearch: {searcher.store.path} at {address}", flush=True)
            service.warm()
            clean = server.run()
            close_runs(app)
    if not clean:
        print("imgsearch: some requests took too long and were cut off", file=sys.stderr)
    return 0


def _reopened(settings: Settings) -> Searcher:
    """The library after a switch, with the model that its vectors are of now."""
    from imgsearch.app import open_searcher

    return open_searcher(replace(settings, model="", dtype="auto"))


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


def _web_config(arguments: argparse.Namespace, library: Path) -> WebConfig:
    """The settings of this server. Raises UsageError if others could come in without a password or a token."""
    from web.config import WebConfig
    from web.http.access import read_access
    from web.http.proxy import read_prefix
    from web.server import is_loopback

    access = read_access(library)
    try:
        alone = is_loopback(arguments.host)
    except OSError as exc:
        raise UsageError(f"--host {arguments.host} is not an address: {exc}", "for example --host 127.0.0.1") from exc
    if not alone and access.password_hash is None and not access.token_hashes:
        raise UsageError(
            f"--host {arguments.host} lets other machines in, and the library has no password",
            "set one first: imgsearch serve --set-password",
        )
    _keep_key(library, access)
    names = ("localhost", arguments.host, *map(_without_port, arguments.allow_host))
    return WebConfig(
        hosts=tuple(dict.fromkeys(name.lower() for name in names)),
        password_hash=access.password_hash,
        token_hashes=access.token_hashes,
        secret_key=bytes.fromhex(access.secret_key),
        secure_cookie=arguments.https,
        proxy=arguments.proxy,
        prefix=read_prefix(arguments.prefix),
    )


def _keep_key(library: Path, access: Access) -> None:
    """Store a new key, so that a restart logs nobody out. If the folder takes no file, sessions end with the server."""
    from imgsearch.errors import StorageFull
    from web.http.access import FILE_NAME, write_access

    if not (library / FILE_NAME).exists():
        try:
            write_access(library, access)
        except StorageFull as error:
            print(f"note: {error.message}; sessions end with the server", file=sys.stderr)


def _bound(app: Flask, arguments: argparse.Namespace, config: WebConfig) -> Server:
    """The listening server. Raises UsageError if the address is not available."""
    from web.http.context import DRAINING
    from web.problems import refusal_of
    from web.server import Server
    from web.services.generation import WAITING

    try:
        return Server(
            app,
            arguments.host,
            arguments.port,
            threads=config.searches + config.streams + WAITING + _OTHER_THREADS,
            max_body_bytes=config.max_upload_bytes + 1_000_000,
            draining=app.extensions[DRAINING],
            proxy=config.proxy,
            refusing=refusal_of(app),
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
