"""What the API promises, with the trained pipeline behind it and no network."""

from __future__ import annotations

from collections.abc import Iterator

import api
import pytest
from fastapi.testclient import TestClient
from spacy.language import Language


@pytest.fixture
def client(nlp: Language) -> Iterator[TestClient]:
    with TestClient(api.application(lambda: nlp)) as client:
        yield client


def test_it_is_healthy_once_the_model_is_loaded(client: TestClient) -> None:
    assert client.get("/health").json()["status"] == "ok"


def test_each_text_has_its_entities_in_order(client: TestClient) -> None:
    texts = ["I love my Adidas sneakers", "", "my Patagonia parka"]
    answer = client.post("/entities", json={"texts": texts})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["text"] for result in results] == texts
    assert results[0]["entities"] == [
        {"text": "Adidas", "label": "FASHION_BRAND", "start": 10, "end": 16}
    ]
    assert results[1]["entities"] == []


@pytest.mark.parametrize(
    "question",
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
        {"texts": ["x" * (api.CHARACTERS + 1)]},
        {"texts": ["x"] * (api.TEXTS + 1)},
    ],
)
def test_what_is_malformed_or_too_long_is_refused(client: TestClient, question: object) -> None:
    answer = client.post("/entities", json=question)
    assert answer.status_code == 422
    assert set(answer.json()["detail"][0]) == {"loc", "msg", "type"}


def test_what_is_too_large_is_refused(client: TestClient) -> None:
    assert client.post("/entities", content=b" " * (api.BYTES + 1)).status_code == 413


def test_what_would_wait_too_long_is_refused(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "WAITING", 3)
    answer = client.post("/entities", json={"texts": ["Nike"] * 4})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert client.post("/entities", json={"texts": ["Nike"] * 3}).status_code == 200
