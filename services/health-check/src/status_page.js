"use strict";
const REFRESH_MS = 5000;
const initialData = JSON.parse(document.getElementById("initial-data").textContent);
const COLOURS = {
  ok: "good", degraded: "warn", failing: "bad",
  alive: "good", missing: "bad", stopped: "idle", unknown: "idle",
  critical: "bad", error: "bad", warning: "warn", info: "idle", debug: "idle",
  accepted: "good", refused: "bad", fresh: "good", prolonged: "warn", simulated: "warn",
};
// The services that accept requests from other machines. Other services may listen only on loopback, so their documentation
// pages are linked only if the browser runs on the same machine.
const PUBLIC_SERVICES = ["create-order", "fetch-orders", "rates", "users", "wallets", "health-check"];
const byId = (id) => document.getElementById(id);

// Creates an element. Strings become text nodes, so data of a report is never interpreted as HTML.
function createElement(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.map((child) => child instanceof Node ? child : String(child ?? "")));
  return element;
}
const pill = (state, text) => createElement("span", "pill " + (COLOURS[state] ?? "idle"), text ?? state);
const emptyNote = (text) => createElement("p", "empty", text);
const formatTime = (time) => time.slice(0, 19).replace("T", " ");

function formatDuration(secs) {
  if (secs < 120) return secs + " s";
  if (secs < 7200) return Math.round(secs / 60) + " min";
  if (secs < 172800) return Math.round(secs / 3600) + " h";
  return Math.round(secs / 86400) + " days";
}
const formatAge = (time, now) => formatDuration(Math.max(0, Math.round((Date.parse(now) - Date.parse(time)) / 1000))) + " ago";

function formatBytes(bytes) {
  for (const [size, unit] of [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) {
    if (bytes >= size) return `${(bytes / size).toFixed(1)} ${unit}`;
  }
  return bytes + " bytes";
}
const WITH_UNIT = { bytes: formatBytes, percent: (value) => value + " %", milliseconds: (value) => value + " ms" };

// The text is the same as in `buydesk health`.
function measurementText(measurement) {
  const withUnit = WITH_UNIT[measurement.unit] ?? String;
  const { name, subject, value, max } = measurement;
  const whole = max > 0 ? ` of ${withUnit(max)} (${Math.floor(value * 100 / max)} %)` : "";
  return `${name.replaceAll("_", " ")}${subject ? ` (${subject})` : ""}: ${withUnit(value)}${whole}`;
}
const measurementList = (measurements) =>
  createElement("div", "", ...(measurements ?? []).map((measurement) => createElement("div", "", measurementText(measurement))));

// Labels a cell for narrow screens, where the column headings are hidden.
function labelled(label, cell) {
  cell.dataset.label = label;
  return cell;
}

// A component that is not ready is red if the service cannot work without it, and otherwise yellow. A prolonged price
// can still be used, so its component is yellow and is never shown as not ready.
function componentPill(part) {
  const marks = part.marks ?? [];
  const isProlonged = marks.includes("prolonged");
  const failed = part.optional ? "degraded" : "failing";
  const missing = part.ready || isProlonged ? [] : [part.optional ? "not ready (optional)" : "not ready"];
  const words = [...missing, ...marks];
  const state = isProlonged ? "degraded" : part.ready ? "ok" : failed;
  const element = pill(state, words.length ? `${part.name}: ${words.join(", ")}` : part.name);
  element.title = [part.detail, part.told_by && "reported by " + part.told_by.join(", ")].filter(Boolean).join("; ");
  return element;
}

function instancesSummary(service) {
  const list = service.instances;
  if (list.length === 0) return "–";
  const running = list.filter((instance) => instance.state === "alive" || instance.state === "degraded").length;
  const details = createElement("details", "", createElement("summary", "", `${running} of ${list.length}`));
  details.dataset.key = "instances of " + service.service;
  for (const instance of list) {
    const uptime = createElement("span", "faint", `up ${formatDuration(instance.uptime_secs)}`);
    details.append(createElement("div", "", pill(instance.state), ` ${instance.instance} `, uptime));
    const measured = (instance.measurements ?? []).map(measurementText).join(", ");
    if (measured) details.append(createElement("div", "faint", measured));
  }
  return details;
}

// The name of a service, as a link to its documentation page. Behind a proxy or with mapped ports, the URL of the
// documentation page is unknown, so the name is not a link.
function serviceName(service, ownPort) {
  const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  const isDirect = ownPort !== undefined && location.port === String(ownPort);
  if (!service.port || !isDirect || !(isLocal || PUBLIC_SERVICES.includes(service.service))) return service.service;
  const link = createElement("a", "", service.service);
  link.href = `${location.protocol}//${location.hostname}:${service.port}/docs`;
  return link;
}

// Rounds a price to two decimals, half to even, like `buydesk price`. Integer arithmetic makes the rounding exact.
function priceText(price) {
  const [whole, fraction = ""] = price.split(".");
  const excess = fraction.length - 2;
  if (excess <= 0) return price;
  const unit = 10n ** BigInt(excess);
  const digits = BigInt(whole + fraction);
  const [cents, rest] = [digits / unit, digits % unit];
  const roundsUp = 2n * rest > unit || (2n * rest === unit && cents % 2n === 1n);
  const text = String(roundsUp ? cents + 1n : cents).padStart(3, "0");
  return `${text.slice(0, -2)}.${text.slice(-2)}`;
}

// The reason of a price is omitted if the headline already contains it.
function priceRow(price, headlineReason) {
  const states = createElement("div", "pills");
  if (price.price) states.append(pill(price.price.state));
  if (price.price?.simulated) states.append(pill("simulated"));
  if (!price.accepted) states.append(pill("refused", "orders are refused"));
  const age = price.age_secs === undefined ? "–" : `${formatDuration(price.age_secs)} old`;
  const cell = createElement("td", "faint", age);
  const until = price.accepted && (price.price?.usable_until ?? price.price?.expires_at);
  if (until && price.price.state === "prolonged") cell.append(createElement("div", "", `used until ${formatTime(until)} UTC`));
  const shownUntil = !price.accepted && price.price?.prolongable_until;
  if (shownUntil) cell.append(createElement("div", "", `shown until ${formatTime(shownUntil)} UTC`));
  if (price.reason && !headlineReason?.includes(price.reason)) cell.append(createElement("div", "", price.reason));
  if (price.price) cell.title = `${price.price.price}, observed at ${price.price.as_of}${until ? `, used until ${until}` : ""}`;
  return createElement("tr", "",
    createElement("td", "", price.currency),
    createElement("td", "price", price.price ? priceText(price.price.price) : "–"),
    createElement("td", "", states),
    cell);
}

const withoutTrailingZeros = (bitcoin) => bitcoin.replace(/\.?0+$/, "");

function paceText(pace, now) {
  if (!pace) return [];
  const used = `${withoutTrailingZeros(pace.used)} BTC were used in the last ${formatDuration(pace.over_secs)}`;
  const secondsLeft = pace.full_at && Math.max(0, Math.round((Date.parse(pace.full_at) - Date.parse(now)) / 1000));
  const end = pace.full_at ? `; at this pace, the limit is reached in about ${formatDuration(secondsLeft)}` : "";
  return [createElement("span", "faint", used + end)];
}

function limitText(limit, pace, now) {
  if (!limit) return ["The remaining limit is not known."];
  const meter = createElement("meter");
  [meter.min, meter.max, meter.value] = [0, Number(limit.limit), Number(limit.remaining)];
  meter.title = "The remaining part of the limit of all orders";
  const reserved = Number(limit.reserved) > 0 ? `; open quotes reserve ${withoutTrailingZeros(limit.reserved)} BTC` : "";
  const above = Number(limit.used ?? 0) > Number(limit.limit)
    ? `: orders and open quotes take ${withoutTrailingZeros(limit.used)} BTC, more than the limit` : "";
  return [meter, `${withoutTrailingZeros(limit.remaining)} of ${withoutTrailingZeros(limit.limit)} BTC are left${above}${reserved}`,
    ...paceText(pace, now)];
}

function renderOrders(orders, now) {
  const accepted = orders?.accepted;
  byId("accepted").className = "pill " + COLOURS[accepted ? "accepted" : "refused"];
  byId("accepted").textContent = accepted ? "orders are accepted" : "orders are not accepted";
  byId("why").textContent = orders?.reason ?? "";
  const rows = (orders?.prices ?? []).map((price) => priceRow(price, orders.reason));
  const empty = createElement("tr", "", createElement("td", "", emptyNote("No price is known.")));
  empty.firstChild.colSpan = 4;
  byId("prices").replaceChildren(...(rows.length ? rows : [empty]));
  byId("limit").replaceChildren(...limitText(orders?.limit, orders?.limit_pace, now));
}

function serviceRow(service, now, ownPort) {
  const seen = createElement("td", "nowrap", service.last_seen ? formatAge(service.last_seen, now) : "never");
  if (service.last_seen) seen.title = service.last_seen;
  const components = service.parts.length ? createElement("div", "pills", ...service.parts.map(componentPill)) : "–";
  return createElement("tr", "",
    createElement("td", "nowrap", serviceName(service, ownPort)),
    createElement("td", "", service.ready === false ? pill("failing", "not ready") : pill(service.state)),
    labelled("components", createElement("td", "full-width", components)),
    labelled("last seen", seen),
    labelled("instances", createElement("td", "", instancesSummary(service))),
    labelled("version", createElement("td", "nowrap", service.version ?? "–")));
}

// Allows a line break after each `/` and `#`, because a narrow screen otherwise breaks a path inside a word.
const breakable = (path) => path.split(/(?<=[/#])/).flatMap((part) => [part, document.createElement("wbr")]);

function alertRow(alert) {
  const summary = createElement("td", "full-width", alert.summary, createElement("div", "faint", ...breakable(alert.runbook_url)));
  return createElement("tr", "",
    createElement("td", "nowrap", formatTime(alert.since)),
    createElement("td", "", pill(alert.severity)),
    createElement("td", "nowrap", alert.name, ...(alert.silence ? [" ", pill("silenced")] : []),
      createElement("div", "faint", alert.subject)),
    summary);
}

const historyRow = (period) => createElement("tr", "",
  createElement("td", "nowrap", formatTime(period.from)),
  createElement("td", "nowrap", period.to ? formatTime(period.to) : "ongoing"),
  createElement("td", "nowrap", period.subject),
  createElement("td", "nowrap", period.state),
  createElement("td", "full-width", period.why));

const measuredComponentRow = (component) => createElement("tr", "",
  createElement("td", "nowrap", component.name), createElement("td", "", measurementList(component.measurements)));

function machineRow(machine, now) {
  const seen = createElement("div", "faint", "measured " + formatAge(machine.last_seen, now));
  return createElement("tr", "",
    createElement("td", "nowrap", machine.name, seen),
    createElement("td", "", measurementList(machine.measurements)),
    labelled("services", createElement("td", "full-width", machine.services.join(", "))));
}

function reportRow({ latest: report, count, first_at: firstAt }) {
  const message = createElement("td", "full-width", report.status);
  if (count > 1) message.append(createElement("div", "faint", `${count} times since ${formatTime(firstAt)}`));
  // The cause of most log events is in one of these fields.
  const cause = report.data?.fields?.why ?? report.data?.fields?.error ?? report.data?.fields?.reason;
  if (typeof cause === "string") message.append(createElement("div", "faint", cause));
  if (report.data !== null && Object.keys(report.data).length) {
    const text = JSON.stringify(report.data, null, 2);
    const details = createElement("details", "", createElement("summary", "", "more"), createElement("pre", "", text));
    details.dataset.key = "report " + report.id;
    message.append(details);
  }
  return createElement("tr", "",
    createElement("td", "nowrap", formatTime(report.received_at)),
    createElement("td", "", pill(report.level)),
    createElement("td", "nowrap", report.service,
      ...(report.source ? [createElement("div", "faint", "source " + report.source)] : [])),
    message);
}

function renderPage(health, reports, history) {
  // Details that the reader has opened stay open.
  const open = new Set([...document.querySelectorAll("details[open]")].map((details) => details.dataset.key));
  byId("status").className = "pill " + COLOURS[health.status];
  byId("status").textContent = health.status;
  document.title = `Buydesk: ${health.status}`;
  byId("at").textContent = formatTime(health.at) + " UTC";
  byId("at").dateTime = health.at;
  renderOrders(health.orders, health.at);
  const ownPort = health.services.find((service) => service.service === "health-check")?.port;
  byId("services").replaceChildren(...health.services.map((service) => serviceRow(service, health.at, ownPort)));
  const alerts = health.alerts ?? [];
  byId("alerts-section").hidden = alerts.length === 0;
  byId("alerts").replaceChildren(...alerts.map(alertRow));
  const components = health.infrastructure.map(componentPill);
  const noComponents = [emptyNote("No service has reported any component yet.")];
  byId("infrastructure").replaceChildren(...(components.length ? components : noComponents));
  const measured = health.infrastructure.filter((component) => component.measurements?.length);
  byId("measured-components").replaceChildren(...measured.map(measuredComponentRow));
  const machines = health.machines ?? [];
  byId("machines-section").hidden = machines.length === 0;
  byId("machines").replaceChildren(...machines.map((machine) => machineRow(machine, health.at)));
  const periods = history?.data ?? [];
  byId("history-section").hidden = periods.length === 0;
  byId("history").replaceChildren(...periods.map(historyRow));
  const counts = Object.entries(health.reports_last_hour).filter(([, count]) => count > 0);
  byId("counts").replaceChildren(...counts.map(([level, count]) => pill(level, `${level}: ${count}`)),
    ...(counts.length ? [createElement("span", "faint", "in the last hour")] : []));
  // `reports` is null if the reader may not see reports.
  const rows = reports ? reports.data.map(reportRow) : [];
  const note = reports ? emptyNote("There are no reports at this level.") : signInNote();
  const empty = createElement("tr", "", createElement("td", "", note));
  empty.firstChild.colSpan = 4;
  byId("reports").replaceChildren(...(rows.length ? rows : [empty]));
  for (const details of document.querySelectorAll("details")) details.open = open.has(details.dataset.key);
}

function signInNote() {
  const link = createElement("a", "", "sign in");
  link.href = "sign-in";
  return createElement("p", "empty", "Only operators see reports: ", link, ".");
}

const HEALTH = "api/v1/health";
const REPORTS = "api/v1/reports/groups";
const HISTORY = "api/v1/health/history";
// Whether requests contain the password that the browser has stored. An invalid password is refused even for data that needs no
// password. After a refusal, requests contain no password until the page is loaded again.
let credentials = "same-origin";
// The paths that need a sign-in. They are not requested again, because a sign-in loads the page again.
const needsSignIn = new Set(initialData.reports ? [] : [REPORTS, HISTORY]);

// Returns null if the reader must sign in first.
async function getJson(path, query = "") {
  if (needsSignIn.has(path)) return null;
  const sent = credentials;
  const get = () => fetch(path + query, { cache: "no-store", credentials, signal: AbortSignal.timeout(REFRESH_MS) });
  let response = await get();
  if (response.status === 401 && sent !== "omit") {
    credentials = "omit";
    response = await get();
  }
  if (response.status === 401 && path !== HEALTH) {
    needsSignIn.add(path);
    return null;
  }
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.json();
}

// The number of the latest refresh. An older refresh that ends later is ignored.
let latest = 0;
async function refresh() {
  const current = ++latest;
  try {
    const level = byId("level").value;
    const [health, reports, history] = await Promise.all([getJson(HEALTH), getJson(REPORTS, "?limit=50&level=" + level),
      getJson(HISTORY, "?limit=20")]);
    if (current !== latest) return;
    renderPage(health, reports, history);
    byId("notice").hidden = true;
  } catch (error) {
    if (current !== latest) return;
    byId("notice").textContent = `health-check does not respond (${error.message}). The page shows the last known state.`;
    byId("notice").hidden = false;
  }
}

renderPage(initialData.health, initialData.reports, initialData.history);
byId("level").addEventListener("change", refresh);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
setInterval(() => { if (!document.hidden) refresh(); }, REFRESH_MS);
if (byId("level").value !== "warning") refresh();
