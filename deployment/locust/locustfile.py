"""Load of a running platform with Locust. Each simulated user checks every response.

  locust -f deployment/locust/locustfile.py --host http://127.0.0.1:8080 --web-host 127.0.0.1   # page: http://127.0.0.1:8089
  locust … --headless --users 50 --spawn-rate 10 --run-time 1m --json-file report

The host is nginx of the compose file or create-order. With create-order, set WALLETS_URL and USERS_URL to the
addresses of these two services.
With OPERATOR_TOKEN, each simulated user is a new customer with an API key of its own, or an operator who creates and finds customers.
Without it, all simulated users are one anonymous client: the platform needs ANONYMOUS=on, and no rate limits.

Orders, wallets and customers cannot be removed. So the load is refused if the prices are real, unless --real-prices is given. See
docs/load.md.
"""

import json
import random
import urllib.error
import urllib.request
from decimal import Decimal

import gevent
from locust import events
from locust.exception import StopTest

from platform_user import (
    CURRENCIES,
    OPERATOR_TOKEN,
    TIMEOUT_SECONDS,
    Customer,
    PlatformUser,
    amount,
    equals,
    expect,
    key,
    new_order,
    step,
)

# The relative numbers of simulated users of each class. Without OPERATOR_TOKEN, there is no Registrar.
BUYER_WEIGHT = 40
WALLET_HOLDER_WEIGHT = 25
ORDER_READER_WEIGHT = 20
PRICE_READER_WEIGHT = 10
REGISTRAR_WEIGHT = 5
# Default of --stop-timeout: the maximum time at the end in which users finish their tasks and make their last checks.
STOP_SECONDS = 10

FIRST_DEPOSIT = Decimal("1000.00")
# An amount that is greater than every balance during a load.
TOO_MUCH = "999999999"
# The number of orders that a reader places first, and the number of orders of a page.
READ_ORDERS, PAGE = 3, 2
MAX_PAGE = 100


class Buyer(Customer):
    """Places orders with idempotency keys. A customer checks its stored orders at the end."""

    weight = BUYER_WEIGHT

    def on_start(self):
        # The bitcoin amount of each acknowledged order by its id; the last acknowledged request with its order; and requests without
        # an acknowledgement.
        self.acknowledged, self.last, self.unresolved = {}, None, []
        super().on_start()

    @step(8)
    def order(self):
        request = (new_order(), key())
        order = self.place_order(*request)
        if order:
            self.acknowledged[order["id"]], self.last = Decimal(order["bitcoin_amount"]), (request, order)
        else:
            self.unresolved.append(request)

    @step(2)
    def repeat_the_last_order(self):
        if self.last:
            (payload, headers), order = self.last
            expected = {"status": 201, "check": equals("the repeated order", order), "headers": headers}
            self.send("POST", "/api/v1/orders", payload, name="/api/v1/orders (repeated)", **expected)

    @step(1)
    def reuse_a_key(self):
        if self.last:
            (payload, headers), _ = self.last
            other = {**payload, "amount": str(Decimal(payload["amount"]) + 1)}
            expected = {"status": 422, "code": "idempotency_key_reused", "headers": headers}
            self.send("POST", "/api/v1/orders", other, name="/api/v1/orders (key reused)", **expected)

    @step(1)
    def invalid_order(self):
        payload = {"currency": "EUR", "amount": "-1"}
        expected = {"status": 422, "code": "validation_failed", "headers": key()}
        self.send("POST", "/api/v1/orders", payload, name="/api/v1/orders (invalid)", **expected)

    def on_stop(self):
        # Anonymous users share their orders.
        if self.api_key:
            self.check_the_orders()
        super().on_stop()

    def check_the_orders(self):
        # If a request received no response, a request with the same key returns its outcome.
        for payload, headers in self.unresolved:
            order = self.place_order(payload, headers, "/api/v1/orders (unresolved)")
            if order:
                self.acknowledged[order["id"]] = Decimal(order["bitcoin_amount"])
        totals = (len(self.acknowledged), sum(self.acknowledged.values(), Decimal()))

        def check_totals(summary):
            expect("count and bitcoin_amount", (summary["count"], Decimal(summary["bitcoin_amount"])), totals)

        def check_page(page):
            listed.extend(order["id"] for order in page["data"])
            if "next_cursor" not in page:
                expect("the list of all orders", sorted(listed), sorted(self.acknowledged))

        self.send("GET", "/api/v1/orders/summary", check=check_totals)
        listed = []
        page = self.read_page(MAX_PAGE, check=check_page)
        while page and "next_cursor" in page:
            page = self.read_page(MAX_PAGE, page["next_cursor"], check=check_page)


class OrderReader(Customer):
    """Reads single orders, pages and the summary."""

    weight = ORDER_READER_WEIGHT

    def on_start(self):
        self.orders = []
        super().on_start()

    def begin(self):
        super().begin()
        while len(self.orders) < READ_ORDERS:
            self.orders.append(self.require(self.place_order(new_order(), key())))

    @step(6)
    def single_order(self):
        order = random.choice(self.orders)
        self.send("GET", f"/api/v1/orders/{order['id']}", name="/api/v1/orders/{id}", check=equals("the order", order))

    @step(3)
    def two_pages(self):
        """Checks that no order is in both pages. The pages of a customer contain only its own orders, newest first."""

        def check(page):
            seen.extend(order["id"] for order in page["data"])
            expect("the number of orders seen twice", len(seen) - len(set(seen)), 0)
            if self.customer:
                own = [order["id"] for order in reversed(self.orders)]
                expect("the list of orders", seen, own[: len(seen)])

        seen = []
        first = self.read_page(PAGE, check=check)
        if first and "next_cursor" in first:
            self.read_page(PAGE, first["next_cursor"], check)

    @step(1)
    def summary(self):
        def check(summary):
            expect("whether the summary counts all orders", summary["count"] >= len(self.orders), True)

        self.send("GET", "/api/v1/orders/summary", check=check)


class PriceReader(Customer):
    """Reads prices, conversions and courses."""

    weight = PRICE_READER_WEIGHT

    @step(6)
    def price(self):
        direction = f"BTC-{random.choice(CURRENCIES)}"

        def check(price):
            expect("direction", price["direction"], direction)
            expect("whether the price is positive", Decimal(price["price"]) > 0, True)
            expect("whether the state permits orders", price["state"] in ("fresh", "prolonged"), True)

        self.send("GET", f"/api/v1/price?direction={direction}", name="/api/v1/price?direction", check=check)

    @step(2)
    def conversion(self):
        converted, currency = str(amount()), random.choice(CURRENCIES)

        def check(conversion):
            expect("amount", Decimal(conversion["amount"]), Decimal(converted))
            # The rate of this direction is not rounded.
            exact = Decimal(converted) * Decimal(conversion["rate"])
            expect("result", Decimal(conversion["result"]), exact.quantize(Decimal("0.01")))

        path = f"/api/v1/convert?from=BTC&to={currency}&amount={converted}"
        self.send("GET", path, name="/api/v1/convert?from&to&amount", check=check)

    @step(2)
    def courses(self):
        def check(exchangers):
            directions = {course["direction"] for exchanger in exchangers for course in exchanger["courses"]}
            expect("directions", directions, {"BTC-USD"})

        path = "/api/v1/courses?coins_from=BTC&coins_to=USD"
        self.send("GET", path, name="/api/v1/courses?coins_from&coins_to", check=check)


class WalletHolder(Customer):
    """Moves money between two wallets, and pays orders. Nobody else uses these wallets, so each balance is known exactly."""

    weight = WALLET_HOLDER_WEIGHT

    def begin(self):
        super().begin()
        self.currency, self.balances = random.choice(CURRENCIES), {}
        for _ in range(2):
            wallet = self.create_wallet()
            self.balances[wallet] = Decimal()
            self.operate(wallet, "DEPOSIT", FIRST_DEPOSIT)

    def wallet(self):
        return random.choice(list(self.balances))

    def create_wallet(self):
        def check(wallet):
            expect("balance and user_id", (wallet["balance"], wallet.get("user_id")), ("0.00", self.customer))

        payload = {"currency": self.currency}
        return self.require(self.send("POST", "/api/v1/wallets", payload, status=201, check=check, headers=key()))["id"]

    def operate(self, wallet, kind, moved):
        balance = self.balances[wallet] + (moved if kind == "DEPOSIT" else -moved)

        def check(operation):
            expect("balance", Decimal(operation["balance"]), balance)

        payload = {"operation_type": kind, "amount": str(moved)}
        path, name = f"/api/v1/wallets/{wallet}/operation", f"/api/v1/wallets/{{id}}/operation ({kind})"
        self.require(self.send("POST", path, payload, name=name, check=check, headers=key()))
        self.balances[wallet] = balance

    @step(4)
    def deposit(self):
        self.operate(self.wallet(), "DEPOSIT", amount())

    @step(2)
    def withdrawal(self):
        moved, wallet = amount(), self.wallet()
        if self.balances[wallet] >= moved:
            self.operate(wallet, "WITHDRAW", moved)

    @step(3)
    def transfer(self):
        moved, (source, target) = amount(), random.sample(list(self.balances), 2)
        if self.balances[source] < moved:
            return
        after = {source: self.balances[source] - moved, target: self.balances[target] + moved}

        def check(transfer):
            found = {source: Decimal(transfer["from_balance"]), target: Decimal(transfer["to_balance"])}
            expect("the balances", found, after)

        payload = {"from": source, "to": target, "amount": str(moved)}
        self.require(self.send("POST", "/api/v1/transfers", payload, check=check, headers=key()))
        self.balances = after

    @step(2)
    def paid_order(self):
        wallet = self.wallet()
        payload = {"currency": self.currency, "amount": str(amount()), "wallet_id": wallet}
        if self.balances[wallet] >= Decimal(payload["amount"]):
            order = self.require(self.place_order(payload, key(), "/api/v1/orders (paid from a wallet)"))
            self.balances[wallet] -= Decimal(order["amount"])
            self.read_balance(wallet)

    @step(1)
    def withdrawal_of_too_much(self):
        wallet = self.wallet()

        def check(problem):
            expect("balance", Decimal(problem["balance"]), self.balances[wallet])

        payload = {"operation_type": "WITHDRAW", "amount": TOO_MUCH}
        expected = {"status": 409, "code": "insufficient_funds", "check": check, "headers": key()}
        name = "/api/v1/wallets/{id}/operation (too much)"
        self.send("POST", f"/api/v1/wallets/{wallet}/operation", payload, name=name, **expected)

    @step(2)
    def balance(self):
        self.read_balance(self.wallet())

    def read_balance(self, wallet):
        def check(found):
            expect("balance", Decimal(found["balance"]), self.balances[wallet])

        self.send("GET", f"/api/v1/wallets/{wallet}", name="/api/v1/wallets/{id}", check=check)


class Registrar(PlatformUser):
    """An operator, who creates and finds customers."""

    weight = REGISTRAR_WEIGHT if OPERATOR_TOKEN else 0
    token = OPERATOR_TOKEN

    def begin(self):
        self.found = self.require(self.create_customer())

    @step(1)
    def create(self):
        self.found = self.create_customer() or self.found

    @step(1)
    def create_again(self):
        payload = {"email": self.found["email"].upper(), "name": "Locust"}
        expected = {"status": 409, "code": "email_taken"}
        self.send("POST", "/api/v1/users", payload, name="/api/v1/users (again)", **expected)

    @step(4)
    def find_by_id(self):
        check = equals("the user", self.found)
        self.send("GET", f"/api/v1/users/{self.found['id']}", name="/api/v1/users/{id}", check=check)

    @step(4)
    def find_by_email(self):
        def check(page):
            expect("the list of users", page["data"], [self.found])

        self.send("GET", f"/api/v1/users?email={self.found['email']}", name="/api/v1/users?email", check=check)


@events.init_command_line_parser.add_listener
def add_arguments(parser):
    parser.add_argument(
        "--real-prices",
        action="store_true",
        env_var="LOCUST_REAL_PRICES",
        help="Place orders although the prices are real. The orders cannot be removed.",
    )


@events.init.add_listener
def set_stop_timeout(environment, **_):
    environment.stop_timeout = environment.stop_timeout or STOP_SECONDS


@events.test_start.add_listener
def refuse_real_prices(environment, **_):
    refusal = reason_to_refuse(environment)
    environment.process_exit_code = environment.parsed_options.exit_code_on_error if refusal else None
    if refusal:
        # Otherwise, gevent also prints the stack.
        gevent.get_hub().NOT_ERROR += (StopTest,)
        raise StopTest(f"Nothing is sent: {refusal}")


def reason_to_refuse(environment):
    if not environment.host:
        return "--host is not set; it is the address of the platform, such as http://127.0.0.1:8080"
    url = f"{environment.host.rstrip('/')}/api/v1/price?direction=BTC-{CURRENCIES[0]}"
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=TIMEOUT_SECONDS) as response:
            simulated = json.load(response)["simulated"]
    except urllib.error.HTTPError as error:
        return f"{url} responds with {error.code}"
    except (OSError, ValueError, LookupError) as error:
        cause = getattr(error, "reason", error)
        return f"there is no price at {url}: {getattr(cause, 'strerror', None) or cause}"
    if simulated is not True and not environment.parsed_options.real_prices:
        return f"the prices at {environment.host} are real. With --real-prices, the load is sent nevertheless"
    return None
