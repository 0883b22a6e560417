# Sourced by tests/run, tests/coverage and the scripts of tests/load except exchange-faults. These scripts call set_up first.
# Finds or installs the required programs, starts the servers that all tests of a run share, and stops everything when
# the script exits for any reason. Some functions are called by name from a table or a trap, which shellcheck does not
# follow.
# shellcheck shell=bash disable=SC2317

# Required programs: a name for messages, the function that finds it, and its Debian packages.
# To add a server, add a line here and a start_… function below.
needed=(
  "C compiler|find_cc|gcc libc6-dev"
  "PostgreSQL server|find_postgres|postgresql"
  "Redis server|find_redis|redis-server"
  "libfaketime|find_faketime|libfaketime"
  "Patroni|find_patroni|patroni python3-etcd"
  "etcd|find_etcd|etcd-server"
  "HAProxy|find_haproxy|haproxy"
  "Prometheus|find_prometheus|prometheus"
  "nginx|find_nginx|nginx"
  "strace|find_strace|strace"
  "unshare|find_unshare|util-linux"
  "Locust|find_locust|python3-venv"
)

readonly start_tries=5       # each on a new port, because another process can take a free port first
readonly ready_seconds=30    # until a server responds
readonly runner_stop_seconds=15 # nextest allows its tests 10 s to end
readonly server_stop_seconds=10
readonly locust_version=2.47.0 # the same as in deployment/docker-compose.yml

say() { printf 'tests: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# ---------------------------------------------------------------- required programs

find_strace() { command -v strace >/dev/null; }

find_unshare() { command -v unshare >/dev/null; }

find_cc() { command -v cc >/dev/null; }

find_redis() {
  TEST_REDIS_SERVER=${TEST_REDIS_SERVER:-$(command -v redis-server || true)}
  [[ -n $TEST_REDIS_SERVER && -x $TEST_REDIS_SERVER ]]
}

# Patroni needs a client of etcd, which is a separate package.
find_patroni() {
  TEST_PATRONI=${TEST_PATRONI:-$(command -v patroni || true)}
  [[ -n $TEST_PATRONI && -x $TEST_PATRONI ]] && /usr/bin/python3 -c 'import etcd, patroni' 2>/dev/null
}

find_etcd() {
  TEST_ETCD=${TEST_ETCD:-$(command -v etcd || true)}
  [[ -n $TEST_ETCD && -x $TEST_ETCD ]]
}

find_haproxy() {
  TEST_HAPROXY=${TEST_HAPROXY:-$(PATH=$PATH:/usr/sbin command -v haproxy || true)}
  [[ -n $TEST_HAPROXY && -x $TEST_HAPROXY ]]
}

# The package contains both programs.
find_prometheus() {
  TEST_PROMETHEUS=${TEST_PROMETHEUS:-$(command -v prometheus || true)}
  TEST_PROMTOOL=${TEST_PROMTOOL:-$(command -v promtool || true)}
  [[ -n $TEST_PROMETHEUS && -x $TEST_PROMETHEUS && -n $TEST_PROMTOOL && -x $TEST_PROMTOOL ]]
}

find_nginx() {
  TEST_NGINX=${TEST_NGINX:-$(PATH=$PATH:/usr/sbin command -v nginx || true)}
  [[ -n $TEST_NGINX && -x $TEST_NGINX ]]
}

# Locust comes from PyPI, and is installed once for each checkout, in target/ci-tools.
find_locust() {
  if [[ -z ${TEST_LOCUST:-} ]]; then
    # shellcheck source=.ci/tools.sh disable=SC1091
    declare -F python_tool >/dev/null || . .ci/tools.sh
    TEST_LOCUST=$(python_tool locust "$locust_version" locust) || TEST_LOCUST=
  fi
  [[ -n $TEST_LOCUST && -x $TEST_LOCUST ]]
}

# A postgres in PATH is preferred. Debian installs each version in its own folder outside PATH; of these, the newest is used.
find_postgres() {
  local dir
  local -a dirs=()
  if [[ -n ${TEST_POSTGRES_BIN:-} ]]; then
    dirs=("$TEST_POSTGRES_BIN")
  else
    dir=$(command -v postgres || true)
    [[ -z $dir ]] || dirs+=("$(dirname "$(readlink -f "$dir")")")
    while IFS= read -r dir; do dirs+=("$dir"); done < <(
      printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql/bin | sort -rV
    )
  fi
  for dir in "${dirs[@]}"; do
    if [[ -x $dir/initdb && -x $dir/postgres && -x $dir/pg_ctl ]]; then
      TEST_POSTGRES_BIN=$dir
      return 0
    fi
  done
  return 1
}

# The library for programs with several threads. Debian keeps it outside the search path.
find_faketime() {
  local library
  if [[ -z ${TEST_FAKETIME_LIBRARY:-} ]]; then
    for library in /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/lib*/faketime/libfaketimeMT.so.1 \
      /usr/local/lib/faketime/libfaketimeMT.so.1; do
      [[ -e $library ]] && TEST_FAKETIME_LIBRARY=$library && break
    done
  fi
  [[ -n ${TEST_FAKETIME_LIBRARY:-} && -r $TEST_FAKETIME_LIBRARY ]]
}

install_packages() {
  local -a root=() apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)
  local policy=/usr/sbin/policy-rc.d status=0
  command -v apt-get >/dev/null || return 1
  if ((EUID != 0)); then
    command -v sudo >/dev/null || return 1
    # Without a terminal, a password prompt would block.
    if [[ -t 0 ]]; then root=(sudo); else root=(sudo -n); fi
  fi
  say "installing $*"
  # Debian starts a server when it is installed. This policy prevents this start, because this script starts its own servers.
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null && "${root[@]}" chmod 755 "$policy"
    made_policy=("${root[@]}" rm -f "$policy")
  fi
  {
    "${root[@]}" "${apt[@]}" -qq update &&
      "${root[@]}" "${apt[@]}" -qq -y --no-install-recommends install "$@"
  } </dev/null >"$work/apt.log" 2>&1 || status=$?
  remove_policy
  ((status == 0)) || tail -n 20 "$work/apt.log" >&2
  return "$status"
}

remove_policy() {
  ((${#made_policy[@]} == 0)) || "${made_policy[@]}" || true
  made_policy=()
}

require_programs() {
  local line name find packages
  local -a absent=() missing=()
  for line in "${needed[@]}"; do
    IFS='|' read -r name find packages <<<"$line"
    "$find" || read -ra missing <<<"${missing[*]-} $packages"
  done
  if ((${#missing[@]} > 0)); then
    install_packages "${missing[@]}" || say "could not install ${missing[*]}"
  fi
  for line in "${needed[@]}"; do
    IFS='|' read -r name find packages <<<"$line"
    "$find" || absent+=("$name (Debian: $packages)")
  done
  if ((${#absent[@]} > 0)); then
    printf -v line '%s, ' "${absent[@]}"
    die "missing: ${line%, }. Install the missing programs and run this script again."
  fi
}

# ---------------------------------------------------------------- processes

work=
runner=              # process group of the program that `run` started
servers=()           # "pid signal name" of each server, in the order of their start
made_policy=()
server_user=

# Starts a program in its own process group, so that Ctrl-C reaches only this script, which stops everything in order. Sets
# $spawned to its process id.
spawn() {
  set -m
  "$@" </dev/null &
  spawned=$!
  set +m
}

# The kernel sends SIGNAL to the server when this script is killed with SIGKILL, which no trap handles.
spawn_server() { # SIGNAL LOG PROGRAM ARGS...
  local signal=$1 log=$2
  local -a as=()
  shift 2
  if command -v setpriv >/dev/null; then as=(setpriv --pdeathsig "$signal"); fi
  if [[ -n $server_user ]]; then
    as+=(--reuid "$server_user" --regid "$(id -g "$server_user")" --init-groups)
  fi
  spawn "${as[@]}" "$@" >>"$log" 2>&1
}

run_as_server_user() {
  if [[ -n $server_user ]]; then
    setpriv --reuid "$server_user" --regid "$(id -g "$server_user")" --init-groups "$@"
  else
    "$@"
  fi
}

running() { kill -0 "$1" 2>/dev/null; }

# Sends SIGNAL to a process, or to a process group if PID has a leading '-', and kills it after SECONDS.
end_process() { # PID SIGNAL SECONDS
  local target=$1 tenths=$(($3 * 10))
  kill "-$2" -- "$target" 2>/dev/null || return 0
  while ((tenths-- > 0)); do
    kill -0 -- "$target" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL -- "$target" 2>/dev/null || true
}

cleanup() {
  local status=$? i pid signal name cwd
  trap - EXIT
  trap '' INT TERM HUP
  remove_policy
  [[ -z $runner ]] || end_process "-$runner" TERM "$runner_stop_seconds"
  for ((i = ${#servers[@]} - 1; i >= 0; i--)); do
    read -r pid signal name <<<"${servers[i]}"
    end_process "$pid" "$signal" "$server_stop_seconds"
    wait "$pid" 2>/dev/null || true
  done
  if [[ -n $work ]]; then
    # A killed test may leave a server running. The working directory of such a server is below the folder of this run.
    for cwd in /proc/[0-9]*/cwd; do
      if [[ $(readlink "$cwd" 2>/dev/null || true) == "$work"/* ]]; then
        pid=${cwd#/proc/}
        pid=${pid%/cwd}
        say "ending process $pid ($(cat "/proc/$pid/comm" 2>/dev/null || echo unknown)), which a test left running"
        end_process "$pid" KILL 1
      fi
    done
    rm -rf "$work"
  fi
  exit "$status"
}

# Runs a program and returns its exit status. Because it runs in the background, a signal to this script is handled immediately.
run() {
  local status=0
  spawn "$@"
  runner=$spawned
  wait "$runner" || status=$?
  runner=
  return "$status"
}

stage() { # NAME COMMAND...
  local name=$1 start=$SECONDS status=0
  shift
  say "$name ..."
  "$@" || status=$?
  say "$name: $(((SECONDS - start) / 60)) min $(((SECONDS - start) % 60)) s$( ((status == 0)) || echo ", failed ($status)")"
  return "$status"
}

# ---------------------------------------------------------------- servers

port_is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Prints a free port below the range of ephemeral ports, so that no outgoing connection takes it.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    port_is_taken "$port" || break
  done
  echo "$port"
}

# Waits until a new server responds. Fails if the server exits or the time limit passes.
ready() { # PID COMMAND...
  local pid=$1 tenths=$((ready_seconds * 10))
  shift
  while ((tenths-- > 0)); do
    running "$pid" || return 1
    if "$@" 2>/dev/null; then
      # The response may come from another server that already uses the port. The new server then exits within moments.
      sleep 0.1
      running "$pid" && return 0
    fi
    sleep 0.1
  done
  return 1
}

start_server() { # NAME SIGNAL ANSWERS-FUNCTION PROGRAM ARGS... (@PORT@ in ARGS becomes the port); sets $port
  local name=$1 signal=$2 answers=$3 log="$work/$1.log" try
  shift 3
  for ((try = 1; try <= start_tries; try++)); do
    port=$(free_port)
    spawn_server "$signal" "$log" "${@//@PORT@/$port}"
    servers+=("$spawned $signal $name")
    if ready "$spawned" "$answers" "$port"; then return 0; fi
    end_process "$spawned" "$signal" "$server_stop_seconds"
    unset 'servers[-1]'
  done
  tail -n 20 "$log" >&2
  die "$name does not start; the end of its log is above"
}

postgres_answers() { "$TEST_POSTGRES_BIN/pg_isready" -q -h 127.0.0.1 -p "$1" -U postgres; }

redis_answers() {
  (
    exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
    printf 'PING\r\n' >&3
    read -r -t 1 reply <&3 && [[ $reply == +PONG* ]]
  ) 2>/dev/null
}

# The shared server does not wait for the disk, which makes the tests several times faster. Tests of crashes start private
# servers with durable commits.
start_postgres() {
  local data=$work/postgres
  mkdir "$data"
  [[ -z $server_user ]] || chown "$server_user" "$data"
  run_as_server_user "$TEST_POSTGRES_BIN/initdb" -D "$data" -U postgres --auth trust -E UTF8 --locale C --no-sync \
    >"$work/initdb.log" 2>&1 || {
    cat "$work/initdb.log" >&2
    die "initdb failed"
  }
  start_server PostgreSQL INT postgres_answers "$TEST_POSTGRES_BIN/postgres" -D "$data" -p @PORT@ \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=300 \
    -c fsync=off -c full_page_writes=off
  export TEST_POSTGRES_URL=postgres://postgres@127.0.0.1:$port/postgres TEST_POSTGRES_BIN
}

start_redis() {
  local data=$work/redis
  mkdir "$data"
  [[ -z $server_user ]] || chown "$server_user" "$data"
  start_server Redis TERM redis_answers "$TEST_REDIS_SERVER" --bind 127.0.0.1 --port @PORT@ --dir "$data" \
    --save '' --appendonly no --daemonize no
  export TEST_REDIS_URL=redis://127.0.0.1:$port TEST_REDIS_SERVER
}

start_servers() {
  start_postgres
  start_redis
  say "$("$TEST_POSTGRES_BIN/postgres" --version) at $TEST_POSTGRES_URL"
  say "$("$TEST_REDIS_SERVER" --version | cut -d' ' -f1-3) at $TEST_REDIS_URL"
}

# ---------------------------------------------------------------- set-up

# Sets the traps, creates the folder of this run, and finds or installs the required programs.
set_up() {
  trap cleanup EXIT
  trap 'say "interrupted"; exit 130' INT
  trap 'say "terminated"; exit 143' TERM
  trap 'exit 129' HUP

  command -v cargo >/dev/null || die "missing: Rust (cargo is not in PATH)"
  work=$(mktemp -d "${TMPDIR:-/tmp}/buydesk-tests.XXXXXX")
  # When root runs the script, the servers run as another user, who needs access to this folder.
  chmod 755 "$work"
  mkdir -m 1777 "$work/tmp"

  require_programs
  if ((EUID == 0)); then
    command -v setpriv >/dev/null || die "missing: setpriv (Debian: util-linux); PostgreSQL does not run as root"
    server_user=nobody
    ! id postgres >/dev/null 2>&1 || server_user=postgres
  fi
  export TEST_SERVER_USER=$server_user TEST_POSTGRES_BIN TEST_REDIS_SERVER TEST_FAKETIME_LIBRARY TEST_PATRONI TEST_ETCD TEST_HAPROXY
  export TEST_PROMETHEUS TEST_PROMTOOL TEST_NGINX TEST_LOCUST
}
