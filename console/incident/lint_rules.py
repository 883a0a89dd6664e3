"""Mistakes of runbooks that a command, a statement or a query shows: one entry each.

What each costs was seen in incidents or tried: most of these lines look right, exit with 0, and do something
else than their heading says.
"""

from __future__ import annotations

from console.incident.lint_finders import (
    Rule,
    bare_redis,
    bundled_flag,
    curl,
    has,
    health_by_exit_code,
    one_pod_logs,
    tty,
    two_streams,
    unpinned,
    without_container,
)
from console.model.redact import redact

COMMAND_RULES: tuple[Rule, ...] = (
    # ---- Kubernetes ----
    Rule(
        "kubectl-unpinned",
        "kubectl without --context and -n acts on whatever another terminal chose last; name both.",
        unpinned,
    ),
    Rule(
        "undo-blind",
        "rollout undo without --to-revision takes back the last change, which may be a restart or a variable"
        " and not the release; choose the revision by its image.",
        has(r"rollout\s+undo", r"--to-revision[= ]"),
    ),
    Rule(
        "grep-not-running",
        "grep -v Running hides pods that run without being ready, and shows finished jobs as sick; judge"
        " readiness, restarts and reasons.",
        has(r"grep\s+(-\w+\s+)*-\w*v\w*\s+(-\w+\s+)*['\"]?Running"),
    ),
    Rule(
        "events-for-oom",
        "Events seldom name an OOM kill and expire within the hour; read lastState of every container.",
        has(r"get\s+events?\b.*grep.*oom"),
    ),
    Rule(
        "logs-of-one-pod",
        "logs of a workload reads one pod of it; give --all-pods, or a selector.",
        one_pod_logs,
    ),
    Rule(
        "two-streams",
        "The second of two streams is never reached; open them side by side.",
        two_streams,
    ),
    Rule(
        "tty",
        "-t needs a terminal: in a script it warns, mixes line ends or hangs; leave it out.",
        tty,
    ),
    Rule(
        "exec-in-any-pod",
        "exec into a workload takes any one of its pods; name the pod.",
        has(r"\bexec\b[^|;]*?\s(deploy(ment)?s?|sts|statefulsets?)/(?=[^|;]*\s--\s)"),
    ),
    Rule(
        "all-containers-changed",
        "set env and set resources without -c change every container, the sidecars too; name the container.",
        without_container,
    ),
    Rule(
        "fixed-limits",
        "A fixed limit may lower the present one or lie under the request; state it relative to what is set.",
        has(r"(--limits[= ]\S*(memory|cpu)=\d|\"limits\"\s*:\s*\{[^}]*:\s*\"?\d|limits:\s+memory:\s*\"?\d)"),
    ),
    Rule(
        "rollout-status-hangs",
        "rollout status waits for ever by default; give --timeout or --watch=false.",
        has(r"rollout\s+status", r"--timeout|--watch=false"),
    ),
    Rule(
        "get-all",
        "get all leaves out configuration, ingresses, volumes and events; list the kinds.",
        has(r"kubectl\b[^|;]*\bget\s+all\b"),
    ),
    Rule(
        "first-container-only",
        "containerStatuses[0] sees one container, and a pending pod has none at all; read every container,"
        " null-safe.",
        has(r"containerStatuses\[(0?)\](?!\?)"),
    ),
    Rule(
        "configuration-dump",
        "A dump of all configuration shows no times and takes secrets along; compare managedFields times.",
        has(r"get\s+(configmaps?|cm|secrets?)\b(?!\s+[\w{][\w{}.-]*\s).*-o[= ]?(yaml|json)\b"),
    ),
    Rule(
        "http-code-by-number",
        "Bare 500|502 also matches 1500ms and port 5003; match the status field.",
        has(r"grep\b[^|]*['\"](5\d\d|50x)\|5\d\d[^'\"]*['\"]"),
    ),
    Rule(
        "scale-to-one",
        "Scaling down takes capacity and redundancy away from a service that already fails.",
        has(r"--replicas[= ][01]\b|\breplicas=[01]\b"),
    ),
    Rule(
        "secret-in-command",
        "A secret in a command is seen by everyone on the machine and kept in histories; refer to a secret"
        " or a variable.",
        lambda text: redact(text) != text,
    ),
    Rule(
        "placeholder-in-command",
        "XXX, POD_NAME or <pod> run as they stand, the last as a redirection; write the place as {pod}.",
        has(
            r"(?-i:\bXXX\b|\bYOUR_[A-Z]+|(?<![$\w{])[A-Z]+_(NAME|ID)\b(?!=))|<[a-z][\w-]*>"
            r"|\[(name|namespace|count|pod)\]"
        ),
    ),
    # ---- PostgreSQL ----
    Rule(
        "terminate-anything",
        "Terminating without a state and backend_type = 'client backend' ends every pooled connection, and"
        " replication too; list first, then end single sessions.",
        has(r"pg_terminate_backend", r"\bstate\b|backend_type"),
    ),
    Rule(
        "terminate-replication",
        "An active session may be replication, vacuum, a backup or an index build; add backend_type ="
        " 'client backend' and pid <> pg_backend_pid().",
        has(r"pg_(terminate|cancel)_backend.*\bstate\b", r"backend_type"),
    ),
    Rule(
        "terminate-idle",
        "Plain idle sessions are healthy members of a pool, which reconnects at once; end those that are"
        " idle in transaction.",
        has(r"pg_terminate_backend.*state\s*=\s*'idle'"),
    ),
    Rule(
        "count-of-everything",
        "pg_stat_activity also lists background processes; count backend_type = 'client backend'.",
        has(r"count\(\*\)[^;]*from\s+pg_stat_activity", r"backend_type"),
    ),
    Rule(
        "max-connections-live",
        "max_connections changes with a restart only: a reload reports success and changes nothing; plan"
        " the restart, the standby first, or make the pools smaller.",
        has(r"alter\s+system\s+set\s+max_connections"),
    ),
    Rule(
        "mean-time",
        "PostgreSQL 13 renamed mean_time and total_time to mean_exec_time and total_exec_time.",
        has(r"\b(mean|total)_time\b"),
    ),
    Rule(
        "lag-by-time",
        "The time since the last replay grows on an idle primary and is empty on the primary itself;"
        " compare the WAL positions.",
        has(r"pg_last_xact_replay_timestamp", r"_lsn\b"),
    ),
    Rule(
        "unquoted-names",
        "Names put together as text break the query at the first name with capitals; use oid::regclass.",
        has(r"schemaname\s*\|\|\s*'\.'\s*\|\|\s*\w+", r"format\(|quote_ident"),
    ),
    Rule(
        "index-template",
        "table and column are reserved words: copied as it is this is a syntax error; write {table} and"
        " ({column}).",
        has(r"create\s+index.*\bon\s+table\s*\(\s*column\s*\)"),
    ),
    Rule(
        "index-with-lock",
        "CREATE INDEX without CONCURRENTLY blocks every write to the table.",
        has(r"create\s+(unique\s+)?index\s+(?!concurrently)"),
    ),
    Rule(
        "recovery-file",
        "psql -f goes on after an error; give -v ON_ERROR_STOP=1 and --single-transaction.",
        has(r"psql\b.*\s(-f|--file)\b", r"ON_ERROR_STOP.*(--single-transaction|\s-1\b)"),
    ),
    Rule(
        "import-is-no-check",
        "Importing the library never connects: it always says OK; run select 1 with a time limit.",
        has(r"import\s+psycopg2?\b", r"connect\("),
    ),
    Rule(
        "downgrade-blind",
        "alembic downgrade -1 fails with the old image and may drop data; name the revision, look at --sql"
        " first.",
        has(r"alembic\s+downgrade\s+-\d"),
    ),
    # ---- Redis ----
    Rule(
        "flush",
        "FLUSHALL and FLUSHDB wipe sessions, locks and queues, and a load spike follows; delete by prefix.",
        has(r"\bFLUSH(ALL|DB)\b"),
    ),
    Rule(
        "keys",
        "KEYS and MONITOR block the server while they run; use SCAN.",
        has(r"redis-cli\b[^|;]*\s(KEYS|MONITOR)\b|^\s*KEYS\s+\S|^\s*MONITOR\s*$"),
    ),
    Rule(
        "delete-of-queue",
        "DEL of a queue destroys its jobs; rename it aside, then requeue or drop them one by one.",
        has(r"\b(DEL|UNLINK)\s[^|;]*(queue|jobs?\b|celery|sidekiq|bull:|rq:|stuck)"),
    ),
    Rule(
        "redis-of-nobody",
        "redis-cli without -h or -u talks to the machine of whoever types it; name the host.",
        bare_redis,
    ),
    # ---- metrics and HTTP ----
    Rule(
        "raw-quantile",
        "histogram_quantile needs sum by (le) (rate(..._bucket[5m])): on raw buckets it is that of the"
        " whole life of each process.",
        has(r"histogram_quantile\(", r"by\s*\([^)]*\ble\b[^)]*\)\s*\(\s*rate\(|rate\(.*by\s*\([^)]*\ble\b"),
    ),
    Rule(
        "rate-without-ratio",
        "Errors a second say nothing without the traffic; divide by the rate of all requests.",
        has(r"(status|code)\w*\s*=~?\s*[\"']5", r"\)\s*/\s*"),
    ),
    Rule(
        "raw-counter",
        "A counter only ever grows; take its rate.",
        has(r"(?<![\w{])(?!time_)\w+_total\b", r"(rate|increase|delta|resets|changes)\(|\bselect\b"),
    ),
    Rule(
        "histogram-base-name",
        "A histogram has no series under its bare name; use _bucket, _sum or _count.",
        has(r"\b\w*duration_seconds\b", r"\bselect\b"),
    ),
    Rule(
        "green-when-blind",
        "or vector(0) around the whole answers 0 when the metric is gone: green in blindness.",
        has(r"or\s+vector\(0\)\s*$"),
    ),
    Rule(
        "promql-in-url",
        "PromQL in a URL loses its braces and brackets; use --get --data-urlencode.",
        has(r"curl\b.*[?&]query=\S*[\[({]"),
    ),
    Rule(
        "health-by-exit-code",
        "curl is content with a 503 and waits for ever; give --fail and --max-time.",
        curl(health_by_exit_code),
    ),
    Rule(
        "head-is-no-health",
        "An answer to HEAD proves that it is reachable, not that it is healthy; ask with GET.",
        curl(lambda words: bundled_flag(words, "I", "--head")),
    ),
    Rule(
        "json-as-form",
        "curl -d sends JSON as a form; give --json or the content type.",
        has(r"curl\b.*\s(-d|--data)\s*['\"]?\s*[{\[]", r"content-type:|--json"),
    ),
    Rule(
        "alerts-in-pod-log",
        "The log of Alertmanager does not list alerts; ask its API for /api/v2/alerts.",
        has(r"\blogs\b[^|;]*alertmanager"),
    ),
    # ---- other systems ----
    Rule(
        "fresh-process",
        "A fresh process has a manager or pool of its own: it neither reads nor changes the running one.",
        has(r"python3?\s+(-c|-m)\s.*(\w+Manager\(\)|get_pool_status|check_circuit_breakers)"),
    ),
    Rule(
        "second-application",
        "memory_profiler starts the application a second time in the pod; attach py-spy to the running one.",
        has(r"-m\s+memory_profiler"),
    ),
    Rule(
        "py-spy-options",
        "py-spy record needs --pid and -o; -f is the format.",
        has(r"py-spy\s+record", r"(?=.*(--pid|\s-p)\b)(?=.*(\s-o\b|--output))"),
    ),
    Rule(
        "unbounded-capture",
        "A capture without -c or -G -W grows until the disk is full; bound it, and treat it as secret.",
        has(r"\btcpdump\b", r"\s-c\s*[\d{]|\s-W\s*[\d{]"),
    ),
    Rule(
        "sync-undoes-rollback",
        "A sync deploys the bad commit again, and pruning deletes resources; revert Git first.",
        has(r"argocd\s+app\s+sync\b.*--prune"),
    ),
    Rule(
        "clear-successes-too",
        "airflow tasks clear also runs again what succeeded; give --only-failed.",
        has(r"airflow\s+tasks\s+clear", r"--only-failed"),
    ),
    Rule(
        "relative-start-time",
        "--start-time 1h is read as one o'clock; use --offset 1h.",
        has(r"\baz\b.*--start-time[= ]\d+[hmd]\b"),
    ),
    Rule(
        "metrics-option",
        "The option of az monitor is --metrics.",
        has(r"\baz\s+monitor\b.*\s--metric\b"),
    ),
    Rule(
        "single-server",
        "az postgres server is the retired single server; use flexible-server with --restore-time.",
        has(r"\baz\s+postgres\s+server\b"),
    ),
    Rule(
        "context-switch",
        "get-credentials switches the current context of every terminal; give --file.",
        has(r"aks\s+get-credentials", r"(--file|\s-f)\b"),
    ),
    Rule(
        "promotion",
        "A promotion cannot be undone and does not stop the old primary; write the steps: lag, fence,"
        " promote, repoint, verify.",
        has(r"promote-read-replica"),
    ),
    Rule(
        "lambda-overwritten",
        "Uploading old code changes the latest version only; shift the alias to the version before.",
        has(r"lambda\s+update-function-code"),
    ),
    Rule(
        "prune",
        "docker system prune -a deletes stopped containers, the evidence, and the images to go back to.",
        has(r"docker\s+system\s+prune"),
    ),
    Rule(
        "compose-tag",
        "docker compose pull takes services, not tags; change the tag in the file.",
        has(r"docker[ -]compose\s+pull\s+[\w-]+:\w"),
    ),
    Rule(
        "local-git-log",
        "The log of your checkout is not what is deployed; name the deployed commit.",
        has(r"git\s+log\b", r"\.\.|\{\w+\}"),
    ),
    Rule(
        "assignee-with-at",
        "gh wants a login without the @, or @me; otherwise the issue is not created.",
        has(r"--assignee[= ]@(?!me\b)"),
    ),
    Rule(
        "pager-command",
        "The command is pd incident ack -i ID; pagerduty-cli trigger and --service-key do not exist.",
        has(r"pd\s+incident\s+acknowledge\b|pagerduty-cli\s+trigger|--service-key"),
    ),
)
"""The rules for commands, statements and queries."""
