"""The REST API of a trained pipeline.

GET  /health       200 once the model is loaded; before that, connections are refused
POST /entities     {"texts": ["…"]} → {"results": [{"text": "…", "entities": […]}]}
POST /annotations  the same request → all that the pipeline annotates, as `Doc.to_json` has it
GET  /metrics      numbers for Prometheus
GET  /docs         documentation of the API to try it out, which needs no network

Errors: 422 for an invalid request or a text that is too long, 413 for a body that is too large, and
503 if too many texts are waiting.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import spacy
from batching import Batches, Busy
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from limits import LimitedBody
from measuring import TEXTS, Measured, report
from pydantic import BaseModel, ConfigDict, Field
from spacy.language import Language
from spacy.tokens import Doc

MAX_TEXTS = 64  # per request, and per batch for the model
MAX_CHARACTERS = 5_000  # per text
MAX_BYTES = 1 << 20  # per request body
MAX_WAITING = 1_000  # texts waiting for the model


class TextsRequest(BaseModel):
    """The texts to process."""

    model_config = ConfigDict(extra="forbid")  # so that misspelt keys are errors

    texts: list[Annotated[str, Field(max_length=MAX_CHARACTERS)]] = Field(
        min_length=1, max_length=MAX_TEXTS
    )


class Entity(BaseModel):
    """An entity, with its position in characters (Unicode code points) of the text."""

    text: str
    label: str
    start: int
    end: int


class Result(BaseModel):
    """The entities of one text."""

    text: str
    entities: list[Entity]


class EntitiesResponse(BaseModel):
    """The results, in the order of the texts."""

    results: list[Result]


class AnnotationsResponse(BaseModel):
    """The annotations, in the order of the texts.

    What the keys are depends on the components of the pipeline: `text` and `tokens` (with `tag`,
    `pos`, `morph`, `lemma`, `dep` and `head`), `ents`, `sents`, `spans` and `cats`. Positions are
    in characters.
    """

    results: list[dict[str, Any]]


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str


REFUSALS: dict[int | str, dict[str, Any]] = {
    413: {"model": Problem, "description": f"The body has more than {MAX_BYTES} bytes"},
    503: {
        "model": Problem,
        "description": "Too many texts are waiting",
        "headers": {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}},
    },
}


class Health(BaseModel):
    """The status of the server, and the model that it has loaded."""

    status: str
    model: str


def create() -> FastAPI:
    """Create the application for the model that `serve.py` serves; called in each worker."""

    return create_app(lambda: spacy.load(os.environ["SERVED_MODEL"]))


def create_app(load: Callable[[], Language]) -> FastAPI:
    """Create the application for the pipeline that `load` returns, at startup."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # uvicorn only listens after the `yield`, so a client that can connect finds the model ready
        nlp = load()
        app.state.nlp = nlp
        async with Batches(lambda texts: list(nlp.pipe(texts)), MAX_TEXTS) as batches:
            app.state.batches = batches
            yield

    app = FastAPIOffline(title="Fashion brands", version="1", lifespan=lifespan)
    app.add_middleware(LimitedBody, limit=MAX_BYTES)
    app.add_middleware(Measured, paths=("/health", "/entities", "/annotations"))
    app.exception_handler(RequestValidationError)(report_invalid_request)
    app.get("/health")(health)
    app.get("/metrics", response_class=Response)(metrics)
    app.post("/entities", responses=REFUSALS)(entities)
    app.post("/annotations", responses=REFUSALS)(annotations)
    return app


def health(request: Request) -> Health:
    """Report that the model is loaded, and which one it is."""

    meta = request.app.state.nlp.meta
    return Health(status="ok", model=f"{meta['lang']}_{meta['name']} {meta['version']}")


def metrics() -> Response:
    """Report the numbers of requests and texts, and how long requests took, to Prometheus."""

    return Response(report(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def entities(query: TextsRequest, request: Request) -> EntitiesResponse:
    """Find the entities in each text."""

    results = await process(query, request, build_result)
    return EntitiesResponse(results=results)


async def annotations(query: TextsRequest, request: Request) -> AnnotationsResponse:
    """Return everything that the components of the pipeline annotate in each text."""

    return AnnotationsResponse(results=await process(query, request, Doc.to_json))


async def process(query: TextsRequest, request: Request, build: Callable[[Doc], Any]) -> list[Any]:
    """Return what `build` makes of each processed text. Raises HTTPException."""

    try:
        docs = await request.app.state.batches(query.texts, max_waiting=MAX_WAITING)
    except Busy:
        raise HTTPException(503, "too many texts are waiting", {"Retry-After": "1"}) from None
    TEXTS.inc(len(docs))
    # in a thread, so that the server can accept requests meanwhile
    return await asyncio.to_thread(lambda: [build(doc) for doc in docs])


def build_result(doc: Doc) -> Result:
    entities = [
        Entity(text=span.text, label=span.label_, start=span.start_char, end=span.end_char)
        for span in doc.ents
    ]
    return Result(text=doc.text, entities=entities)


async def report_invalid_request(_: Request, error: RequestValidationError) -> JSONResponse:
    """Report the errors of a request without the text itself, which FastAPI's own handler would
    include and which may be very long."""

    keys = ("loc", "msg", "type")
    problems = [{key: problem[key] for key in keys} for problem in error.errors()]
    return JSONResponse({"detail": problems}, status_code=422)
