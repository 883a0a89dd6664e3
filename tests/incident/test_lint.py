"""Each rule for commands catches its bad example and passes the good form of it."""

from __future__ import annotations

import pytest

from console.incident.lint import DATA_RULES
from console.incident.lint_rules import COMMAND_RULES

K = "kubectl --context prod -n shop"
WALSENDER_SAFE = "backend_type = 'client backend' AND pid <> pg_backend_pid()"

COMMANDS: dict[str, tuple[str, str]] = {
    "kubectl-unpinned": ("kubectl get pods -n shop", f"{K} get pods"),
    "undo-blind": (f"{K} rollout undo deployment/a", f"{K} rollout undo deployment/a --to-revision=41"),
    "grep-not-running": (
        "kubectl --context prod get pods -A | grep -v Running",
        "kubectl --context prod get pods -A",
    ),
    "events-for-oom": (
        "kubectl --context prod get events -A | grep OOM",
        f"{K} get pods -o json | jq '.items[].status.containerStatuses[]?.lastState'",
    ),
    "logs-of-one-pod": (f"{K} logs deployment/a --tail=5", f"{K} logs deployment/a --all-pods --tail=5"),
    "two-streams": (f"{K} logs -f pod-a\n{K} logs -f pod-b", f"{K} logs -f pod-a"),
    "tty": (
        f"{K} exec -it pod-a -c db -- psql -U postgres -c 'select 1'",
        f"{K} exec pod-a -c db -- psql -U postgres -c 'select 1'",
    ),
    "exec-in-any-pod": (f"{K} exec deployment/a -- df -h", f"{K} exec pod-a -- df -h"),
    "all-containers-changed": (
        f"{K} set env deployment/a CACHE=true",
        f"{K} set env deployment/a -c app CACHE=true",
    ),
    "fixed-limits": (
        f"{K} set resources deployment/a -c app --limits=memory=2Gi",
        f"{K} set resources deployment/a -c app --limits=memory={{limit}}",
    ),
    "rollout-status-hangs": (
        f"{K} rollout status deployment/a",
        f"{K} rollout status deployment/a --timeout=5m",
    ),
    "get-all": ("kubectl --context prod get all -A", f"{K} get deployments,ingresses"),
    "first-container-only": (
        f"{K} get pods -o custom-columns=N:.status.containerStatuses[0].restartCount",
        f"{K} get pods -o json | jq '.items[].status.containerStatuses[]?.restartCount'",
    ),
    "configuration-dump": (f"{K} get configmap -o yaml", f"{K} get configmap app-config -o yaml"),
    "http-code-by-number": (
        f"{K} logs -l app=a | grep -E '500|502|503|504'",
        f"{K} logs -l app=a | grep -E 'status=(50[0234]) '",
    ),
    "scale-to-one": (
        f"{K} scale deployment/a --replicas=1",
        f"{K} scale deployment/a --replicas=10",
    ),
    "secret-in-command": (
        "psql postgresql://app:Tr0ub4dorAnd3@db/app",
        "psql postgresql://app@db/app",
    ),
    "placeholder-in-command": (
        "az aks show --ids /subscriptions/XXX/resourceGroups/rg",
        "az aks show --ids {cluster_resource_id}",
    ),
    "terminate-anything": (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE query_start < now() - interval '10 minutes'",
        f"SELECT pid, state FROM pg_stat_activity WHERE {WALSENDER_SAFE}",
    ),
    "terminate-replication": (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'active'",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'active' AND {WALSENDER_SAFE}",
    ),
    "terminate-idle": (
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {WALSENDER_SAFE} AND state = 'idle'",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {WALSENDER_SAFE}"
        " AND state = 'idle in transaction'",
    ),
    "count-of-everything": (
        "SELECT count(*) FROM pg_stat_activity",
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'",
    ),
    "max-connections-live": (
        "ALTER SYSTEM SET max_connections = 500; SELECT pg_reload_conf();",
        "SHOW max_connections",
    ),
    "mean-time": (
        "SELECT query, mean_time FROM pg_stat_statements",
        "SELECT query, mean_exec_time FROM pg_stat_statements",
    ),
    "lag-by-time": (
        "SELECT now() - pg_last_xact_replay_timestamp()",
        "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AS caught_up,"
        " now() - pg_last_xact_replay_timestamp()",
    ),
    "unquoted-names": (
        "SELECT pg_total_relation_size(schemaname||'.'||tablename) FROM pg_tables",
        "SELECT pg_total_relation_size(oid) FROM pg_class",
    ),
    "index-template": (
        "CREATE INDEX CONCURRENTLY idx_table_column ON table(column)",
        "CREATE INDEX CONCURRENTLY {index} ON {table} ({column})",
    ),
    "index-with-lock": (
        "CREATE INDEX i ON orders (customer)",
        "CREATE INDEX CONCURRENTLY i ON orders (customer)",
    ),
    "recovery-file": (
        "psql -d app -f fix.sql",
        "psql -d app -v ON_ERROR_STOP=1 --single-transaction -f fix.sql",
    ),
    "import-is-no-check": (
        "python -c \"import psycopg2; print('DB OK')\"",
        "python -c \"import psycopg2; psycopg2.connect('').cursor().execute('select 1')\"",
    ),
    "downgrade-blind": ("alembic downgrade -1", "alembic downgrade {previous}"),
    "flush": ("redis-cli -h cache FLUSHDB", "redis-cli -h cache --scan --pattern 'cache:*'"),
    "keys": ("redis-cli -h cache KEYS '*'", "redis-cli -h cache --scan"),
    "delete-of-queue": (
        "redis-cli -h cache DEL jobs:queue:stuck",
        "redis-cli -h cache RENAMENX jobs:queue:stuck jobs:quarantine",
    ),
    "redis-of-nobody": ("redis-cli INFO memory", "redis-cli -h cache INFO memory"),
    "raw-quantile": (
        "histogram_quantile(0.95, request_seconds_bucket)",
        "histogram_quantile(0.95, sum by (le) (rate(request_seconds_bucket[5m])))",
    ),
    "rate-without-ratio": (
        'sum(rate(requests{status=~"5.."}[5m]))',
        'sum(rate(requests{status=~"5.."}[5m])) / sum(rate(requests[5m]))',
    ),
    "raw-counter": ("http_requests_total", "sum(rate(http_requests_total[5m]))"),
    "histogram-base-name": (
        "http_request_duration_seconds",
        "rate(http_request_duration_seconds_sum[5m])",
    ),
    "green-when-blind": ("sum(rate(errors[5m])) or vector(0)", "sum(rate(errors[5m]))"),
    "promql-in-url": (
        "curl http://prometheus:9090/api/v1/query?query=rate(requests[5m])",
        "curl --get http://prometheus:9090/api/v1/query --data-urlencode 'query=rate(requests[5m])'",
    ),
    "health-by-exit-code": (
        "curl https://api.example.com/health",
        "curl --fail --max-time 5 https://api.example.com/health",
    ),
    "head-is-no-health": ("curl -sI https://api.example.com", "curl -s https://api.example.com"),
    "json-as-form": (
        'curl -X POST https://api.example.com/login -d \'{"user":"a"}\'',
        'curl --json \'{"user":"a"}\' https://api.example.com/login',
    ),
    "alerts-in-pod-log": (
        "kubectl --context prod logs -n monitoring alertmanager-0",
        "curl http://alertmanager:9093/api/v2/alerts",
    ),
    "fresh-process": (
        'python -c "from app import CircuitBreakerManager; print(CircuitBreakerManager().get_all_metrics())"',
        "curl http://localhost:8080/admin/breakers",
    ),
    "second-application": ("python -m memory_profiler app.py", "py-spy dump --pid 1"),
    "py-spy-options": (
        "py-spy record -d 30 -f flame.svg",
        "py-spy record --pid 1 -d 30 -o /tmp/flame.svg",
    ),
    "unbounded-capture": (
        "tcpdump -i any -w capture.pcap",
        "tcpdump -i any -s 128 -c 2000 -w /tmp/capture.pcap",
    ),
    "sync-undoes-rollback": ("argocd app sync shop --prune", "argocd app wait shop --health"),
    "clear-successes-too": (
        "airflow tasks clear pipeline -s a -e b",
        "airflow tasks clear pipeline --only-failed -s a -e b -y",
    ),
    "relative-start-time": (
        "az monitor activity-log list --start-time 1h",
        "az monitor activity-log list --offset 1h",
    ),
    "metrics-option": (
        "az monitor metrics list --resource {cluster} --metric cpu",
        "az monitor metrics list --resource {cluster} --metrics cpu",
    ),
    "single-server": (
        "az postgres server restore --name a",
        "az postgres flexible-server restore --name a --restore-time {time}",
    ),
    "context-switch": (
        "az aks get-credentials -n a -g b",
        "az aks get-credentials -n a -g b --file {kubeconfig}",
    ),
    "promotion": (
        "aws rds promote-read-replica --db-instance-identifier a",
        "aws rds describe-db-instances --db-instance-identifier a",
    ),
    "lambda-overwritten": (
        "aws lambda update-function-code --function-name a --s3-bucket b",
        "aws lambda update-alias --function-name a --name live --function-version 7",
    ),
    "prune": ("docker system prune -a", "docker system df"),
    "compose-tag": ("docker compose pull api:previous", "docker compose pull api"),
    "local-git-log": ("git log --oneline -10", "git log --oneline -10 {deployed_commit}"),
    "assignee-with-at": (
        "gh issue create --title a --assignee @engineer",
        "gh issue create --title a --assignee @me",
    ),
    "pager-command": ("pd incident acknowledge -i PX1", "pd incident ack -i PX1"),
}


@pytest.mark.parametrize("name", sorted(rule.name for rule in COMMAND_RULES))
def test_a_command_rule_catches_the_bad_and_passes_the_good_form(name: str) -> None:
    bad, good = COMMANDS[name]
    caught = {rule.name for rule in COMMAND_RULES if rule.finds(bad)}
    passed = [rule.name for rule in COMMAND_RULES if rule.finds(good)]
    assert name in caught
    assert name not in passed


def test_every_command_rule_has_examples_and_one_name() -> None:
    names = [rule.name for rule in COMMAND_RULES]
    assert sorted(names) == sorted(COMMANDS)
    assert (
        len({*names, *(rule.name for rule in DATA_RULES)} - {"scale-to-one"})
        == len(names) + len(DATA_RULES) - 2
    )


@pytest.mark.parametrize(
    ("command", "caught"),
    [
        ("kubectl config get-contexts", False),
        ("kubectl --context=prod get nodes -o wide", False),
        ("kubectl --context prod describe node", False),
        ("kubectl --context prod top nodes", False),
        ("kubectl --context prod get pods", True),
        ("kubectl -n shop get pods --context prod", False),
        ("kubectl --context prod -n shop get pods; kubectl get pods", True),
        ("kubectl --context prod exec pod-a -- ls -n x", True),
        ("echo kubectl", False),
        ("sudo kubectl get pods -n shop", True),
        ("watch -n 5 kubectl get pods -n shop", True),
        ("KUBECONFIG=x /usr/bin/kubectl get pods -n shop", True),
        ("for pod in a b; do kubectl delete pod $pod; done", True),
        ("pods=$(kubectl get pods)", True),
        ("kubectl --context prod \\\n  get pods \\\n  -n shop", False),
    ],
)
def test_kubectl_must_name_context_and_namespace(command: str, caught: bool) -> None:
    rule = next(rule for rule in COMMAND_RULES if rule.name == "kubectl-unpinned")
    assert rule.finds(command) is caught


@pytest.mark.parametrize(
    ("command", "caught"),
    [
        (f"{K} exec -it pod-a -- /bin/bash", False),
        (f"{K} exec -it pod-a -- psql -U postgres", False),
        (f"{K} run -it debug --image=postgres:15 --rm -- psql -c 'select 1'", True),
        (f"{K} exec --stdin --tty pod-a -- ls", True),
        (f"{K} exec pod-a -- ls -t", False),
    ],
)
def test_a_terminal_is_for_people(command: str, caught: bool) -> None:
    rule = next(rule for rule in COMMAND_RULES if rule.name == "tty")
    assert rule.finds(command) is caught


@pytest.mark.parametrize(
    "command",
    [
        f"{K} exec redis-master-0 -- redis-cli INFO stats",
        "SELECT orders_total, call_duration_seconds FROM reports",
        "redis-cli -h cache --scan | grep keys",
        f"{K} exec pod-a -- sh -c '' redis-cli",
    ],
)
def test_what_only_looks_like_a_mistake_passes(command: str) -> None:
    assert [rule.name for rule in COMMAND_RULES if rule.finds(command)] == []


@pytest.mark.parametrize(
    ("command", "caught"),
    [
        ("kubectl describe pod POD_NAME", True),
        ("kubectl describe pod <pod-name>", True),
        ("kubectl scale deployment/[name]", True),
        ("gh run rerun {run_id}", False),
        ("pd incident ack -i $INCIDENT_ID", False),
        ("env APP_NAME=shop true", False),
        ("SELECT client_id FROM t WHERE a < b", False),
    ],
)
def test_a_place_to_fill_in_is_written_in_braces(command: str, caught: bool) -> None:
    rule = next(rule for rule in COMMAND_RULES if rule.name == "placeholder-in-command")
    assert rule.finds(command) is caught
