# Sourced by the measurements. Starts a PostgreSQL with durable commits and release builds of the services, generates load,
# and prints the table of results.
# shellcheck shell=bash
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"

# Seconds of each measurement. A shorter run tests a script, but its figures are not usable.
readonly seconds=${BENCH_SECONDS:-10}
readonly connections=${BENCH_CONNECTIONS:-64}
# Set before start_services, because some scripts write this token into prepared requests.
export OPERATOR_TOKEN=fedcba9876543210
# The folder of the service binaries. The figures are usable only with a release build.
readonly bin=${BENCH_BIN:-target/release}
work=$(mktemp -d "${TMPDIR:-/tmp}/buydesk-bench.XXXXXX")
chmod 755 "$work"
pids=()

say() { printf '%s\n' "$*" >&2; }
die() {
  say "bench: $*"
  exit 1
}

cleanup() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  [[ -z ${pgdata:-} ]] || as_server "$pgbin/pg_ctl" -D "$pgdata" -m fast -w stop >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

need() { # need PROGRAM PACKAGE
  command -v "$1" >/dev/null && return
  command -v apt-get >/dev/null || die "$1 is missing"
  local -a root_do=()
  ((EUID == 0)) || root_do=(sudo)
  "${root_do[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$2" >/dev/null || die "$1 is missing: install $2"
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

build() { [[ -n ${BENCH_NO_BUILD:-} ]] || cargo build --release --workspace --locked --quiet; }

# ---------------------------------------------------------------- PostgreSQL with durable commits

# PostgreSQL refuses to run as root.
as_server() {
  if ((EUID == 0)); then
    setpriv --reuid=postgres --regid=postgres --init-groups "$@"
  else
    "$@"
  fi
}

start_postgres() {
  need psql postgresql
  pgbin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV | head -n 1)
  [[ -x $pgbin/initdb ]] || pgbin=$(dirname "$(readlink -f "$(command -v postgres)")")
  pgdata=$work/postgres
  pgport=$(free_port)
  mkdir "$pgdata"
  ((EUID != 0)) || chown postgres "$pgdata"
  as_server "$pgbin/initdb" -D "$pgdata" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >/dev/null
  # The durability settings are the defaults: a commit is on disk before it succeeds.
  as_server "$pgbin/pg_ctl" -D "$pgdata" -l "$pgdata/log" -w start \
    -o "-p $pgport -k $pgdata -c listen_addresses=127.0.0.1 -c fsync=on -c synchronous_commit=on -c full_page_writes=on \
        -c shared_buffers=${BENCH_SHARED_BUFFERS:-512MB} -c min_wal_size=1GB -c max_wal_size=4GB" >/dev/null
  # A database in use recycles its WAL files. A new database first fills each file with 16 MiB of zeros, and every commit waits
  # for that. These statements create the files before the first measurement.
  sql postgres -c "create table used as select repeat(md5(n::text), 32) from generate_series(1, 700000) n" \
    -c 'drop table used' -c checkpoint
}

sql() { # sql DATABASE STATEMENT...
  local database=$1
  shift
  PGOPTIONS='-c client_min_messages=warning' psql -X -q -h 127.0.0.1 -p "$pgport" -U postgres -d "$database" -v ON_ERROR_STOP=1 -At "$@"
}

pgbench_best() { # pgbench_best DATABASE SCRIPT [NAME=VALUE...]: prints transactions per second, the best of 1, 16 and 64 clients
  local database=$1 script=$2 best=0 clients tps
  shift 2
  local -a variables=()
  local variable
  for variable in "$@"; do variables+=(-D "$variable"); done
  for clients in 1 16 64; do
    tps=$("$pgbin/pgbench" -h 127.0.0.1 -p "$pgport" -U postgres -n -M prepared -c "$clients" -j 2 -T "$seconds" \
      -f "$script" "${variables[@]}" "$database" 2>/dev/null | awk '/^tps/ { print int($3); exit }')
    say "  pgbench, $clients clients: $tps a second"
    if ((tps > best)); then best=$tps; fi
  done
  echo "$best"
}

# ---------------------------------------------------------------- the services

# start_service NAME: starts a service with the exported settings.
start_service() {
  "$bin/$1" >"$work/$1.log" 2>&1 &
  pids+=($!)
  echo "$!" >"$work/$1.pid"
}

# start_services DATABASE_URL: starts health-check, db-proxy, price-cache-proxy, fetch-orders and create-order, each in
# its own process on a free port, and stores prices that are valid for an hour.
start_services() {
  local service
  export INTERNAL_TOKEN=0123456789abcdef0123456789abcdef DATABASE_URL=$1 BTC_LIMIT=20000000
  export RATE_LIMIT_PER_MINUTE=0 FETCH_RATE_LIMIT_PER_MINUTE=0 RATES_RATE_LIMIT_PER_MINUTE=0 USERS_RATE_LIMIT_PER_MINUTE=0
  export LOG_LEVEL=${BENCH_LOG_LEVEL:-info} LOG_FORMAT=json
  CREATE_ORDER_PORT=$(free_port) DB_PROXY_PORT=$(free_port) PRICE_CACHE_PROXY_PORT=$(free_port)
  FETCH_ORDERS_PORT=$(free_port) HEALTH_CHECK_PORT=$(free_port)
  export CREATE_ORDER_PORT DB_PROXY_PORT PRICE_CACHE_PROXY_PORT FETCH_ORDERS_PORT HEALTH_CHECK_PORT
  export DB_PROXY_URL=http://127.0.0.1:$DB_PROXY_PORT PRICE_CACHE_URL=http://127.0.0.1:$PRICE_CACHE_PROXY_PORT
  export HEALTH_CHECK_URL=http://127.0.0.1:$HEALTH_CHECK_PORT ORDERS_URL=http://127.0.0.1:$FETCH_ORDERS_PORT
  unset REDIS_URL
  for service in health-check db-proxy price-cache-proxy fetch-orders create-order; do start_service "$service"; done
  wait_for "$DB_PROXY_URL/livez"
  wait_for "$PRICE_CACHE_URL/livez"
  put_price
  wait_for "http://127.0.0.1:$CREATE_ORDER_PORT/readyz"
  wait_for "http://127.0.0.1:$FETCH_ORDERS_PORT/readyz"
}

# start_nginx SERVICE ADDRESS...: starts nginx with the committed configuration in front of the instances of SERVICE at these
# addresses. Other services are unavailable through this nginx. Sets NGINX_URL.
start_nginx() {
  local service=$1 port folder=$work/nginx
  shift
  export PATH=$PATH:/usr/sbin
  need nginx nginx
  port=$(free_port)
  NGINX_URL=http://127.0.0.1:$port
  mkdir -p "$folder"
  cp -r deployment/nginx/conf "$folder/conf"
  sed -i "s/listen 8080 /listen 127.0.0.1:$port /" "$folder/conf/nginx.conf"
  awk -v service="$service" -v addresses="$*" '
    $1 == "upstream" { name = $2; replaced = 0 }
    $1 != "server" { print; next }
    {
      parameters = $0
      sub(/^ *server [^ ]+/, "", parameters)
      count = name == service ? split(addresses, list, " ") : split("127.0.0.1:9", list, " ")
      for (i = 1; i <= count && !replaced; i++) print "    server " list[i] parameters
      replaced = 1
    }' deployment/nginx/conf/upstreams.conf >"$folder/conf/upstreams.conf"
  nginx -e stderr -p "$folder" -c "$folder/conf/nginx.conf" -g 'daemon off;' >"$work/nginx.log" 2>&1 &
  pids+=($!)
  wait_for "$NGINX_URL/livez"
}

stop_services() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  pids=()
}

wait_for() {
  local tries=0
  until curl -sf -o /dev/null "$1"; do
    tries=$((tries + 1))
    ((tries < 300)) || die "$1 is not ready after 30 s"
    sleep 0.1
  done
}

put_price() {
  local now
  now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  curl -sf -o /dev/null -X POST "$PRICE_CACHE_URL/add/?ttl=3600" -H "Authorization: Bearer $INTERNAL_TOKEN" \
    -H 'Content-Type: application/json' -d '{"state":"fresh","as_of":"'"$now"'","simulated":true,"prices":{
      "EUR":{"price":"84000.12","sources":["coinbase","kraken"]},"USD":{"price":"91000.5","sources":["coinbase","kraken"]},
      "GBP":{"price":"72000.3","sources":["coinbase","kraken"]}}}'
}

pid_of() { cat "$work/$1.pid"; }

resident_mib() { awk '/VmRSS/ { printf "%.0f", $2 / 1024 }' "/proc/$1/status"; }

# ---------------------------------------------------------------- load

# shellcheck disable=SC2034 # the measurements read rate and p99
# load URL [LUA]: sets rate (responses per second) and p99 (milliseconds). Exits the script if a response is not a
# success or a connection fails, because error responses can be faster than successes.
load() {
  need wrk wrk
  local out failed
  out=$(wrk -t1 -c"$connections" -d"${seconds}s" --latency ${2:+-s "$2"} "$1")
  rate=$(awk '/^Requests\/sec/ { print int($2) }' <<<"$out")
  p99=$(awk '$1 == "99%" { v = $2; u = 1; if (v ~ /us$/) u = 0.001; else if (v ~ /ms$/) u = 1; else u = 1000; printf "%.1f", v * u }' <<<"$out")
  failed=$(awk '/Non-2xx/ { print $NF } /Socket errors/ { print }' <<<"$out" | tr '\n' ' ')
  [[ -z $failed ]] || die "the load of $1 failed: $failed"
}

# load_warm URL [LUA]: as load, after a warm-up run of the same length that reads the pages of the database into memory. For
# pgbench_best, the run with one client is the warm-up.
load_warm() {
  load "$@"
  say "  Buydesk, warm-up: $rate a second"
  load "$@"
  say "  Buydesk: $rate a second, p99 $p99 ms"
}

# ---------------------------------------------------------------- the table

rows=()
row() { rows+=("$1|$2|$3|$4|$5|$6"); } # row FIGURE BUYDESK BASELINE RATIO GOAL NOTE

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (b == 0) print "-"; else printf "%.2f", a / b }'; }

# Prints the rows. If tests/bench/all has set BENCH_ROWS, appends the rows to this file instead.
table() {
  if [[ -n ${BENCH_ROWS:-} ]]; then
    printf '%s\n' "${rows[@]}" >>"$BENCH_ROWS"
    return
  fi
  {
    echo 'measured|Buydesk|compared with|ratio|goal|note'
    printf '%s\n' "${rows[@]}"
  } | column -t -s '|'
}
