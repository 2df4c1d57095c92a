"""Test the API with the trained pipeline, without a network."""

from __future__ import annotations

from collections.abc import Iterator

import api
import pytest
from fastapi.testclient import TestClient
from spacy.language import Language


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
