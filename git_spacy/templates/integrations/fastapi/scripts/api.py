"""The REST API: a trained pipeline behind two routes.

GET  /health      200 once the model is loaded; before that, nobody listens
POST /entities    {"texts": ["…"]} → {"results": [{"text": "…", "entities": […]}]}

The rest is what could go wrong: a request that is malformed or too long (422), too large (413), or
one too many (503).
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

TEXTS = 64  # in a request, and in a batch for the model
CHARACTERS = 5_000  # in a text
BYTES = 1 << 20  # of a request's body
WAITING = 1_000  # texts that wait for the model; more are refused


class Question(BaseModel):
    """Texts to find entities in."""

    model_config = ConfigDict(extra="forbid")  # a misspelt key is a mistake, not a default

    texts: list[Annotated[str, Field(max_length=CHARACTERS)]] = Field(
        min_length=1, max_length=TEXTS
    )


class Entity(BaseModel):
    """What was found, and where, in characters (Unicode code points) of the text."""

    text: str
    label: str
    start: int
    end: int


class Result(BaseModel):
    """The entities of one text."""

    text: str
    entities: list[Entity]


class Answer(BaseModel):
    """A result for each text, in their order."""

    results: list[Result]


class Health(BaseModel):
    """Which model is ready."""

    status: str
    model: str


def create() -> FastAPI:
    """The application for the model that `serve.py` names: uvicorn calls this in each worker."""

    return application(lambda: spacy.load(os.environ["SERVED_MODEL"]))


def application(load: Callable[[], Language]) -> FastAPI:
    """The application for the pipeline that `load` gives, which is called once, at the start."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # uvicorn listens when this has got to `yield`: who can connect finds a model that is ready
        nlp = load()
        app.state.nlp = nlp
        async with Batches(lambda texts: [result(doc) for doc in nlp.pipe(texts)], TEXTS) as found:
            app.state.found = found
            yield

    app = FastAPI(title="Fashion brands", version="1", lifespan=lifespan)
    app.add_middleware(LimitedBody, limit=BYTES)
    app.exception_handler(RequestValidationError)(malformed)
    app.get("/health")(health)
    app.post("/entities")(entities)
    return app


def health(request: Request) -> Health:
    """Say that the model is loaded, and which."""

    meta = request.app.state.nlp.meta
    return Health(status="ok", model=f"{meta['lang']}_{meta['name']} {meta['version']}")


async def entities(question: Question, request: Request) -> Answer:
    """Find the entities of each text."""

    try:
        results = await request.app.state.found(question.texts, at_most=WAITING)
    except Busy:
        raise HTTPException(503, "too many texts are waiting", {"Retry-After": "1"}) from None
    return Answer(results=results)


def result(doc: Doc) -> Result:
    found = [
        Entity(text=span.text, label=span.label_, start=span.start_char, end=span.end_char)
        for span in doc.ents
    ]
    return Result(text=doc.text, entities=found)


async def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
    """What is wrong and where; unlike FastAPI's own, without the text: it may be very long."""

    problems = [{name: one[name] for name in ("loc", "msg", "type")} for one in error.errors()]
    return JSONResponse({"detail": problems}, status_code=422)
