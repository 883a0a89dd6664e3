"""The log filters: what is an error, what is a 5xx, and what only looks like one."""

import pytest

from console.model.logs import is_5xx, is_error


@pytest.mark.parametrize(
    "text",
    [
        "request took 1500ms",
        "listening on port 5003",
        "connected to 10.0.5.500:5003",
        "GET /users/502 HTTP/1.1 200 took 503 ms",
        "INFO GET /orders/500 200 1500ms",
        "GET /orders 503 ms",
        "GET /export 512 bytes",
        "forget /orders 500",
        '"GET http://shop/ HTTP/1.1" from 10.1.2.3:500 - 200 502B in 1ms',
        '10.0.0.1 - - [20/Nov/2026:18:00:00 +0000] "GET / HTTP/1.1" 200 5021',
        "processed 500 items in 504 ms",
        "returned 500 rows",
        "status=200 bytes=504",
        "status=5021",
        "code: 503ms",
        "batch 500 of 1503",
        "version 5.0.2 build 500.1",
        "got 503.5 points",
        "",
    ],
)
def test_numbers_that_are_no_status(text: str) -> None:
    assert not is_5xx(text)


@pytest.mark.parametrize(
    "text",
    [
        "level=info msg=handled status=502 ms=75",
        '{"status":503,"path":"/"}',
        '{"statusCode": "500"}',
        '10.0.0.1 - - [20/Nov/2026:18:00:00 +0000] "GET / HTTP/1.1" 502 157 "-" "curl"',
        '"POST /login HTTP/2.0" 504 -',
        "HTTP/1.1 503 Service Unavailable",
        "INFO GET /orders/7 500 1550ms",
        "POST https://shop.example/pay -> 503",
        "GET /orders?page=2 502 15.1 ms - 12",
        '"GET http://shop/ HTTP/1.1" from 10.1.2.3:4711 - 500 21B in 1ms',
        "upstream returned 503",
        "backend responded with status code 500",
        "[GIN] 2026/11/20 - 18:00:00 | 500 |   1.2ms | 10.0.0.1 | GET /",
        "502 Bad Gateway",
        "error: 504 Gateway Time-out",
        "HTTP 500 from payments",
        "http_status: 599",
        "status code: 500, took 1500ms on port 5003",
    ],
)
def test_statuses_of_servers_that_fail(text: str) -> None:
    assert is_5xx(text)


@pytest.mark.parametrize(
    "text",
    [
        'level=info msg="no error found"',
        '{"level":"info","msg":"error rate is fine"}',
        "INFO retry after error",
        "finished with 0 errors",
        "errors=0 warnings=1",
        "there were no errors",
        "I1120 18:00:00.123456 1 main.go:1] error budget",
        "error=null",
        "loaded terror list and mirrors",
        "GET /error-pages/404.html",
        '{"level":"info","last_error":"ValueError: x"}',
    ],
)
def test_lines_that_only_speak_of_errors(text: str) -> None:
    assert not is_error(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20 18:00:00 ERROR could not connect",
        "level=error msg=boom",
        '{"severity":"CRITICAL","message":"x"}',
        "[error] 12#0: upstream",
        "Traceback (most recent call last):",
        "ValueError: bad",
        "java.lang.NullPointerException: null",
        "panic: runtime error: index out of range",
        "E1120 18:00:00.123456 1 main.go:1] lost",
        "F1120 18:00:00.123456 1 main.go:1] gone",
        "connection error: refused",
        "FATAL: too many clients",
    ],
)
def test_lines_that_report_an_error(text: str) -> None:
    assert is_error(text)
