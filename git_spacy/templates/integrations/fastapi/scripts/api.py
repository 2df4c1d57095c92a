"""The REST API of a trained pipeline, with two routes.

GET  /health      200 once the model is loaded; before that, connections are refused
POST /entities    {"texts": ["…"]} → {"results": [{"text": "…", "entities": […]}]}

Errors: 422 for an invalid request or a text that is too long, 413 for a body that is too large, and
503 if too many texts are waiting.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated

import spacy
from batching import Batches, Busy
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from limits import LimitedBody
from pydantic import BaseModel, ConfigDict, Field
from spacy.language import Language
from spacy.tokens import Doc

MAX_TEXTS = 64  # per request, and per batch for the model
MAX_CHARACTERS = 5_000  # per text
MAX_BYTES = 1 << 20  # per request body
MAX_WAITING = 1_000  # texts waiting for the model


class EntitiesRequest(BaseModel):
    """The texts to find entities in."""

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
        async with Batches(
            lambda texts: [build_result(doc) for doc in nlp.pipe(texts)], MAX_TEXTS
        ) as find_entities:
            app.state.find_entities = find_entities
            yield

    app = FastAPI(title="Fashion brands", version="1", lifespan=lifespan)
    app.add_middleware(LimitedBody, limit=MAX_BYTES)
    app.exception_handler(RequestValidationError)(report_invalid_request)
    app.get("/health")(health)
    app.post("/entities")(entities)
    return app


def health(request: Request) -> Health:
    """Report that the model is loaded, and which one it is."""

    meta = request.app.state.nlp.meta
    return Health(status="ok", model=f"{meta['lang']}_{meta['name']} {meta['version']}")


async def entities(query: EntitiesRequest, request: Request) -> EntitiesResponse:
    """Find the entities in each text."""

    try:
        results = await request.app.state.find_entities(query.texts, max_waiting=MAX_WAITING)
    except Busy:
        raise HTTPException(503, "too many texts are waiting", {"Retry-After": "1"}) from None
    return EntitiesResponse(results=results)


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
