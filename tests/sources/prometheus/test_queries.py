from console.config import PrometheusSettings, ServiceSettings
from console.sources.prometheus.queries import Number, for_services, own_expression, quote, union

SETTINGS = PrometheusSettings(url="http://127.0.0.1:9090", window=60)


def test_the_ratio_is_zero_without_errors_and_empty_without_the_metric() -> None:
    total = 'sum by (job) (rate(http_requests_total{job!=""}[60s]))'
    errors = 'sum by (job) (rate(http_requests_total{job!="", status=~"5.."}[60s]))'
    assert for_services(Number.ERROR_RATIO, SETTINGS, None) == f"({errors} or 0 * {total}) / {total}"


def test_p95_keeps_le_and_takes_the_rate_before_the_sum() -> None:
    assert for_services(Number.P95, SETTINGS, ["shop"]) == (
        "histogram_quantile(0.95, sum by (job, le) "
        '(rate(http_request_duration_seconds_bucket{job=~"shop"}[60s])))'
    )


def test_names_of_the_settings_are_used() -> None:
    settings = PrometheusSettings(
        url="http://127.0.0.1:9090", metric="hits", status_label="code", service_label="app", window=4.5
    )
    expression = for_services(Number.ERROR_RATIO, settings, ["a.b", 'c"d|e'])
    assert 'rate(hits{app=~"a\\\\.b|c\\"d\\\\|e", code=~"5.."}[4500ms])' in expression
    assert "job" not in expression


def test_a_selector_replaces_the_label_and_an_override_replaces_everything() -> None:
    service = ServiceSettings(name="shop", selector='{app="shop", tier="web",}', rate="my_rate")
    assert own_expression(Number.UP, SETTINGS, service) == 'avg(up{app="shop", tier="web"})'
    assert own_expression(Number.RATE, SETTINGS, service) == "my_rate"
    assert own_expression(Number.P95, SETTINGS, ServiceSettings(name="shop")) == ""


def test_a_union_tells_its_services_apart() -> None:
    assert union({"a": "up", "b$1": "sum(x)"}) == (
        'label_replace(up, "warroom_service", "a", "", "") or '
        'label_replace(sum(x), "warroom_service", "b$$1", "", "")'
    )


def test_quotes_and_backslashes_stay_inside_a_literal() -> None:
    assert quote('a"} or up{x="\\\n') == '"a\\"} or up{x=\\"\\\\\\n"'
