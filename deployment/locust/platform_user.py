"""The base class of the simulated users: sends requests with the credential of the user, and checks every response."""

import functools
import json
import os
import random
import uuid
from datetime import datetime, timedelta, timezone
from decimal import ROUND_CEILING, Decimal

from locust import FastHttpUser, constant_throughput, task

OPERATOR_TOKEN = os.environ.get("OPERATOR_TOKEN", "")
WALLETS_URL = os.environ.get("WALLETS_URL", "").rstrip("/")
USERS_URL = os.environ.get("USERS_URL", "").rstrip("/")

# Maximum number of tasks that each simulated user performs per second. A task sends at most two requests, and before
# them the requests of `begin` if the user has not begun.
TASKS_PER_SECOND = 2
TIMEOUT_SECONDS = 20

CURRENCIES = ["EUR", "GBP", "USD"]
# The range of the amounts of orders and movements, in hundredths of the currency. A million such orders use less than 20 BTC of the limit.
MIN_CENTS, MAX_CENTS = 1, 200
BITCOIN_DECIMALS = Decimal("0.00000001")
# The maximum rate limit of a key, in requests per minute.
KEY_RATE_LIMIT = 1_000_000
# The lifetime of an API key. If Locust is killed before it revokes a key, the key expires after this time.
KEY_LIFETIME = timedelta(days=1)


class Mismatch(Exception):
    """The content of a response differs from what it must be."""


class Unexpected(Exception):
    """A response was not as expected, and counts as a failure. The user then does not know its state on the platform."""


def expect(name, found, expected):
    if found != expected:
        raise Mismatch(f"{name} is {found!r} and not {expected!r}")


def equals(name, expected):
    return lambda document: expect(name, document, expected)


def amount():
    return Decimal(random.randint(MIN_CENTS, MAX_CENTS)).scaleb(-2)


def key():
    return {"Idempotency-Key": f"locust-{uuid.uuid4()}"}


def base_of(path):
    """The address of the service with this path. Empty if requests with this path are sent to --host."""
    if path.startswith("/api/v1/users"):
        return USERS_URL
    return WALLETS_URL if path.startswith(("/api/v1/wallets", "/api/v1/transfers")) else ""


def problem_of(response, status, code):
    """Describes an unexpected status of a response, with its problem code. None if the status is as expected."""
    if response.status_code == 0:
        return f"no response: {response.error}"
    found = None
    if response.status_code >= 400:
        try:
            found = json.loads(response.content)["code"]
        except (ValueError, LookupError, TypeError):
            found = "no_problem_document"
    if (response.status_code, found) == (status, code):
        return None
    received, expected = (" ".join(str(part) for part in pair if part) for pair in ((response.status_code, found), (status, code)))
    return f"{received} instead of {expected}"


def step(weight):
    """A task with a weight. A user that has not begun, or does not know its state any more, begins first."""

    def decorate(function):
        @functools.wraps(function)
        def perform(user):
            try:
                if not user.has_begun:
                    user.begin()
                    user.has_begun = True
                function(user)
            except Unexpected:
                user.has_begun = False

        return task(weight)(perform)

    return decorate


class PlatformUser(FastHttpUser):
    abstract = True
    wait_time = constant_throughput(TASKS_PER_SECOND)
    connection_timeout = network_timeout = float(TIMEOUT_SECONDS)
    token = ""
    has_begun = False

    def on_start(self):
        # Performs each task one time, so that a short load has requests of each kind. Locust then chooses tasks at random, by weight.
        for first in dict.fromkeys(self.tasks):
            first(self)
            self.wait()

    def begin(self):
        """Creates the objects that the user needs. Raises Unexpected if a request fails."""

    def send(self, method, path, body=None, *, name=None, status=200, code=None, check=None, headers=None, token=None):
        """Returns the document of a response, or None if the response is not as expected, which counts as a failure. `name` groups
        requests in the statistics. `code` is the problem code that is expected. `check` raises Mismatch for a wrong document."""
        token = self.token if token is None else token
        headers = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        url = base_of(path) + path
        with self.client.request(method, url, name=name or path, json=body, headers=headers, catch_response=True) as response:
            problem, document = problem_of(response, status, code), None
            if problem is None:
                try:
                    document = json.loads(response.content) if response.content else {}
                    if check:
                        check(document)
                except Mismatch as mismatch:
                    problem = f"{status}, but {mismatch}"
                except (LookupError, TypeError, ValueError, ArithmeticError) as error:
                    problem = f"{status}, but the document has another form: {error!r}"
            if problem is None:
                response.success()
                return document
            response.failure(problem)
            return None

    def require(self, document):
        if document is None:
            raise Unexpected
        return document

    def create_customer(self):
        payload = {"email": f"locust-{uuid.uuid4()}@example.org", "name": "Locust"}

        def check(user):
            expect("email, name and state", (user["email"], user["name"], user["state"]), (*payload.values(), "active"))

        return self.send("POST", "/api/v1/users", payload, status=201, check=check, token=OPERATOR_TOKEN)


class Customer(PlatformUser):
    """Acts with an API key of its own customer, or without OPERATOR_TOKEN as an anonymous client."""

    abstract = True
    customer = api_key = None

    def begin(self):
        if not OPERATOR_TOKEN or self.api_key:
            return
        self.customer = self.customer or self.require(self.create_customer())["id"]
        expires_at = (datetime.now(timezone.utc) + KEY_LIFETIME).strftime("%Y-%m-%dT%H:%M:%SZ")
        scopes = ["orders", "wallets", "read"]
        new_key = {"name": "locust", "scopes": scopes, "rate_limit_per_minute": KEY_RATE_LIMIT, "expires_at": expires_at}
        path = f"/api/v1/users/{self.customer}/keys"
        issued = self.send("POST", path, new_key, name="/api/v1/users/{id}/keys", status=201, token=OPERATOR_TOKEN)
        self.api_key, self.token = self.require(issued)["id"], issued["key"]

    def on_stop(self):
        if self.api_key:
            path = f"/api/v1/users/{self.customer}/keys/{self.api_key}"
            self.send("DELETE", path, name="/api/v1/users/{id}/keys/{key_id}", status=204, token=OPERATOR_TOKEN)

    def place_order(self, payload, headers, name=None):
        """Places an order, and checks its amounts. Returns the order."""

        def check(order):
            expect("currency and amount", (order["currency"], order["amount"]), (payload["currency"], payload["amount"]))
            exact = Decimal(order["amount"]) / Decimal(order["exchange_rate"])
            expect("bitcoin_amount", Decimal(order["bitcoin_amount"]), exact.quantize(BITCOIN_DECIMALS, ROUND_CEILING))
            expect("user_id", order.get("user_id"), self.customer)

        return self.send("POST", "/api/v1/orders", payload, name=name, status=201, check=check, headers=headers)

    def read_page(self, limit, cursor=None, check=None):
        path = f"/api/v1/orders?limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        return self.send("GET", path, name="/api/v1/orders?limit", check=check)


def new_order():
    return {"currency": random.choice(CURRENCIES), "amount": str(amount())}
