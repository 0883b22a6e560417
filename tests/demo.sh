# Sourced after tests/servers.sh by scripts that send requests to the whole platform. start_demo, which is called after set_up,
# runs `buydesk up --demo` on free ports and without rate limits: all services in one process on SQLite with simulated exchanges.
# shellcheck shell=bash

declare -A ports # by name of the service
token=           # INTERNAL_TOKEN and OPERATOR_TOKEN

# BUYDESK_BIN is the path of the binary. Without BUYDESK_BIN, a release build is made.
start_demo() {
  local binary=${BUYDESK_BIN:-target/release/buydesk} document service name
  local -a settings
  [[ -n ${BUYDESK_BIN:-} ]] || stage "build" run cargo build --release --locked --bin buydesk
  binary=$(realpath "$binary")
  token=$(python3 -c 'import secrets; print(secrets.token_hex(32))')
  settings=(INTERNAL_TOKEN="$token" OPERATOR_TOKEN="$token" DATABASE_URL="sqlite:$work/buydesk.db")
  for name in RATE_LIMIT QUOTE_READ_RATE_LIMIT FETCH_RATE_LIMIT RATES_RATE_LIMIT USERS_RATE_LIMIT WALLETS_RATE_LIMIT; do
    settings+=("${name}_PER_MINUTE=0")
  done
  for document in docs/openapi/*.json; do
    service=$(basename "$document" .json)
    ports[$service]=$(free_port)
    name=${service//-/_}
    settings+=("${name^^}_PORT=${ports[$service]}")
  done
  # The platform runs in its own folder, so that no .env file is read.
  spawn env --chdir="$work" "${settings[@]}" "$binary" up --demo >"$work/log" 2>&1
  servers+=("$spawned TERM buydesk")
  ready "$spawned" demo_answers || {
    tail -n 30 "$work/log" >&2
    die "the platform is not ready"
  }
}

# Called by name.
# shellcheck disable=SC2317
demo_answers() {
  local service
  for service in "${!ports[@]}"; do
    curl --silent --fail --output /dev/null "http://127.0.0.1:${ports[$service]}/readyz" || return 1
  done
}
