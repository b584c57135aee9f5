"""Who may ask: names of the server, other sites' pages, keys; what every answer carries."""

from __future__ import annotations

import pytest

from edgesteer import InputError
from edgesteer.server.page import FOLDER
from edgesteer.server.settings import Settings

from .conftest import Serve
from .running import Running, chat_body, send


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example",
     "10.0.0.1", "0.0.0.0", "", "[::1", "127.0.0.1@evil.example", "evil.example#127.0.0.1"],
)  # fmt: skip
def test_another_name_for_this_machine_is_refused(server: Running, host: str) -> None:
    """DNS rebinding: a page's own name is made to lead to 127.0.0.1."""
    for method, path in (("GET", "/api/vectors"), ("POST", "/v1/chat/completions"), ("GET", "/")):
        answer = server.ask(method, path, chat_body() if method == "POST" else None, {"Host": host})
        assert answer.status in (400, 403)
        if answer.status == 403:
            assert answer.error["code"] == "wrong_host"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:8808", "127.9.9.9"]
)
def test_its_own_names_are_taken(server: Running, host: str) -> None:
    assert server.get("/v1/models", Host=host).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "file://"])
def test_pages_of_other_sites_may_not_ask(server: Running, origin: str) -> None:
    for method, path, body in (
        ("POST", "/v1/chat/completions", chat_body()),
        ("PUT", "/api/steering", {"steering": ""}),
        ("DELETE", "/api/recipes/x", None),
        ("GET", "/api/vectors", None),
        ("OPTIONS", "/v1/chat/completions", None),
    ):
        answer = server.ask(method, path, body, {"Origin": origin})
        assert answer.status == 403
        assert "access-control-allow-origin" not in answer.headers


def test_a_form_of_another_site_can_post_nothing(server: Running) -> None:
    """Old browsers send no Origin with a form; its types of body are none that is read."""
    connection = server.connect()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        connection.request(
            "POST", "/v1/chat/completions", b'{"messages": []}', {"Content-Type": kind}
        )
        response = connection.getresponse()
        assert response.status == 415
        response.read()
    connection.close()
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert server.ask("POST", "/v1/chat/completions", chat_body(), cross).status == 403


def test_the_page_itself_may_ask(server: Running) -> None:
    own = {"Origin": f"http://127.0.0.1:{server.port}", "Sec-Fetch-Site": "same-origin"}
    assert server.ask("POST", "/v1/chat/completions", chat_body(), own).status == 200


def test_an_origin_that_was_let_in_gets_its_headers(serve: Serve) -> None:
    running = serve("--cors", "http://localhost:3000")
    mine, other = {"Origin": "http://localhost:3000"}, {"Origin": "http://localhost:3001"}
    headers = "authorization,content-type,x-stainless-lang,x-stainless-retry-count"
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": headers}
    early = running.ask("OPTIONS", "/v1/chat/completions", None, {**mine, **asked})
    assert early.status == 200
    assert early.headers["access-control-allow-origin"] == "http://localhost:3000"
    allowed = early.headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
    assert set(headers.split(",")) <= set(allowed)
    answer = running.ask("POST", "/v1/chat/completions", chat_body(), mine)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert running.ask("POST", "/v1/chat/completions", chat_body(), other).status == 403
    assert running.ask("OPTIONS", "/v1/models", None, {**other, **asked}).status in (400, 403)


def test_a_key_is_asked_for(serve: Serve) -> None:
    running = serve(env={"EDGESTEER_API_KEY": "s3cret"})
    wrong = ("Bearer nope", "s3cret", "Basic s3cret", "Bearer s3crets", "Bearer")
    for sent in ({}, *({"Authorization": value} for value in wrong)):
        for path in ("/v1/models", "/api/status", "/metrics", "/openapi.json", "/api/nope"):
            answer = running.get(path, **sent)
            assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
            assert answer.headers["www-authenticate"] == "Bearer"
    assert running.get("/").status == 200
    assert running.get("/v1/models", Authorization="Bearer s3cret").status == 200
    assert running.get("/v1/models", Authorization="bearer s3cret").status == 200


def test_every_answer_carries_the_headers_of_safety(server: Running) -> None:
    for path in ("/", "/api/status", "/nope", "/v1/models"):
        headers = server.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "server" not in headers


def test_the_pages_files_have_their_types_and_nothing_else_is_served(server: Running) -> None:
    kinds = {
        ".html": "text/html",
        ".js": "text/javascript",
        ".css": "text/css",
        ".svg": "image/svg",
    }
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert FOLDER / "index.html" in files
    for path in files:
        answer = server.get(f"/static/{path.relative_to(FOLDER).as_posix()}")
        assert answer.status == 200
        assert answer.headers["content-type"].startswith(kinds[path.suffix])
        assert answer.data == path.read_bytes()
    assert server.get("/").data == (FOLDER / "index.html").read_bytes()
    for name in ("../page.py", "..%2Fpage.py", "%2e%2e/page.py", "/etc/passwd", "nope.js", ""):
        assert server.get(f"/static/{name}").status == 404


def test_the_page_has_no_scripts_or_styles_of_its_own(server: Running) -> None:
    html = server.get("/").data.decode()
    assert "<style" not in html
    assert " style=" not in html
    assert " onclick=" not in html
    assert "<script>" not in html


def test_without_the_page_only_the_api_is_served(serve: Serve) -> None:
    running = serve("--no-page")
    assert running.get("/").status == 404
    assert running.get("/static/index.html").status == 404
    assert running.get("/v1/models").status == 200


def test_an_unknown_route_and_a_wrong_method_have_openais_shape(server: Running) -> None:
    assert (server.get("/v2/x").status, server.get("/v2/x").error["code"]) == (404, "no_such_route")
    answer = server.get("/v1/chat/completions")
    assert (answer.status, answer.error["code"]) == (405, "wrong_method")
    assert answer.headers["allow"] == "POST"


def test_two_hosts_are_none(server: Running) -> None:
    connection = server.connect()
    connection.putrequest("GET", "/v1/models", skip_host=True)
    connection.putheader("Host", "127.0.0.1")
    connection.putheader("Host", "evil.example")
    connection.endheaders()
    response = connection.getresponse()
    assert response.status in (400, 403)
    connection.close()


@pytest.mark.parametrize("cors", ["localhost:3000", "http://x/path", "nonsense"])
def test_an_origin_must_be_one(cors: str) -> None:
    with pytest.raises(InputError, match="no origin"):
        Settings(cors=(cors,))


@pytest.mark.parametrize("key", ["with space", "ünï", "new\nline"])
def test_a_key_must_fit_a_header(key: str) -> None:
    with pytest.raises(InputError, match="API key"):
        Settings(api_key=key)


def test_keep_alive_serves_one_after_another(server: Running) -> None:
    connection = server.connect()
    for _ in range(3):
        send(connection, "POST", "/v1/chat/completions", chat_body())
        with connection.getresponse() as response:
            assert response.status == 200
            response.read()
    connection.close()
