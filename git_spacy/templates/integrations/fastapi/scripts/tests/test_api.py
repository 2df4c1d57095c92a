"""Test the API with the trained pipeline, without a network."""

from __future__ import annotations

import re
from collections.abc import Iterator

import api
import pytest
import spacy
from fastapi.testclient import TestClient
from spacy.language import Language
from spacy.tokens import Doc, Span


@pytest.fixture
def client(nlp: Language) -> Iterator[TestClient]:
    with TestClient(api.create_app(lambda: nlp)) as client:
        yield client


def test_health_is_ok_once_the_model_is_loaded(client: TestClient) -> None:
    assert client.get("/health").json()["status"] == "ok"


def test_returns_the_entities_of_each_text_in_order(client: TestClient) -> None:
    texts = ["I love my Adidas sneakers", "", "my Patagonia parka"]
    response = client.post("/entities", json={"texts": texts})
    assert response.status_code == 200
    results = response.json()["results"]
    assert [result["text"] for result in results] == texts
    assert results[0]["entities"] == [
        {"text": "Adidas", "label": "FASHION_BRAND", "start": 10, "end": 16}
    ]
    assert results[1]["entities"] == []


@pytest.mark.parametrize(
    "query",
    [
        *(
            {},
            {"texts": []},
            {"texts": "Nike"},
            {"texts": [1]},
            {"texts": None},
            {"text": ["Nike"]},
        ),
        {"texts": ["Nike"], "lang": "en"},
        {"texts": ["x" * (api.MAX_CHARACTERS + 1)]},
        {"texts": ["x"] * (api.MAX_TEXTS + 1)},
    ],
)
def test_rejects_an_invalid_request_or_a_text_that_is_too_long(
    client: TestClient, query: object
) -> None:
    response = client.post("/entities", json=query)
    assert response.status_code == 422
    assert set(response.json()["detail"][0]) == {"loc", "msg", "type"}


def test_returns_every_annotation_of_the_pipeline() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "BRAND", "pattern": "Nike"}])
    nlp.add_pipe("annotate_everything")
    with TestClient(api.create_app(lambda: nlp)) as client:
        response = client.post("/annotations", json={"texts": ["My Nike. Yes", ""]})
    first, second = response.json()["results"]
    assert first["text"] == "My Nike. Yes"
    assert first["ents"] == [{"start": 3, "end": 7, "label": "BRAND"}]
    assert [sent["end"] for sent in first["sents"]] == [8, 12]
    assert first["cats"] == {"positive": 0.5}
    assert [(span["start"], span["label"]) for span in first["spans"]["sc"]] == [(0, "PHRASE")]
    token = first["tokens"][1]
    assert (token["tag"], token["lemma"], token["dep"], token["head"]) == ("NN", "nike", "dep", 0)
    assert second["text"] == ""


@Language.component("annotate_everything")
def annotate_everything(doc: Doc) -> Doc:
    doc.cats["positive"] = 0.5
    if len(doc):
        doc.spans["sc"] = [Span(doc, 0, 2, "PHRASE")]
    for token in doc:
        token.tag_, token.lemma_, token.dep_ = "NN", token.lower_, "dep"
        token.head = token.sent[0]
    return doc


def test_the_documentation_needs_no_network_and_has_every_error(client: TestClient) -> None:
    page = client.get("/docs").text
    sources = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert len(sources) >= 3
    for source in sources:
        assert source.startswith("/"), source
        assert client.get(source).status_code == 200, source
    paths = client.get("/openapi.json").json()["paths"]
    for path in ("/entities", "/annotations"):
        assert set(paths[path]["post"]["responses"]) == {"200", "413", "422", "503"}


def test_metrics_count_requests_and_texts(client: TestClient) -> None:
    def count(line: str) -> float:
        found = re.findall(f"^{re.escape(line)} (.*)$", client.get("/metrics").text, re.MULTILINE)
        return sum(map(float, found))

    lines = (
        'requests_total{path="/entities",status="200"}',
        'requests_total{path="/entities",status="422"}',
        'requests_total{path="other",status="404"}',
        'request_seconds_count{path="/entities"}',
        "texts_total",
    )
    before = [count(line) for line in lines]
    client.post("/entities", json={"texts": ["Nike", "Adidas"]})
    client.post("/entities", json={})
    client.get("/secret/1")
    after = [count(line) for line in lines]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1, 1, 2, 2]


def test_rejects_a_body_that_is_too_large(client: TestClient) -> None:
    assert client.post("/entities", content=b" " * (api.MAX_BYTES + 1)).status_code == 413


def test_rejects_a_request_if_too_many_texts_are_waiting(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "MAX_WAITING", 3)
    response = client.post("/entities", json={"texts": ["Nike"] * 4})
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert client.post("/entities", json={"texts": ["Nike"] * 3}).status_code == 200
