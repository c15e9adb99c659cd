"use strict";
// Draws /openapi.json as forms. Everything from outside becomes text, never markup; nothing is stored.

const SHOWN_CHARACTERS = 200000;

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function field(parameter) {
  const input = element("input", { name: parameter.name, autocomplete: "off", spellcheck: false });
  input.dataset.where = parameter.in;
  input.placeholder = parameter.required ? "required" : "optional";
  return element("label", { title: parameter.description || "" }, parameter.name, input);
}

function example(operation) {
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  return content ? JSON.stringify(content.example || {}, null, 2) : "";
}

async function send(method, path, form, text, output) {
  let target = path;
  const headers = { Authorization: "Bearer " + document.getElementById("key").value };
  for (const input of form.querySelectorAll("input")) {
    if (input.dataset.where === "path") target = target.replace("{" + input.name + "}", encodeURIComponent(input.value));
    else if (input.value) headers[input.name] = input.value;
  }
  const options = { method, headers, credentials: "omit", cache: "no-store" };
  if (text) {
    options.body = text.value;
    headers["Content-Type"] = "application/json";
  }
  const began = performance.now();
  try {
    const response = await fetch(target, options);
    const said = await response.text();
    const took = (performance.now() - began).toFixed(0);
    output.textContent = response.status + " in " + took + " ms\n" + pretty(said).slice(0, SHOWN_CHARACTERS);
    remember(said);
  } catch (error) {
    output.textContent = "No answer: " + error.message;
  }
}

function pretty(said) {
  try {
    return JSON.stringify(JSON.parse(said), null, 2);
  } catch {
    return said; // a stream: one document a line
  }
}

// A transaction that has begun is the one that its other forms mean.
function remember(said) {
  let id;
  try {
    id = JSON.parse(said).transaction;
  } catch {
    return;
  }
  if (typeof id !== "string" || !id.includes(".")) return;
  for (const input of document.querySelectorAll("input[name=id]")) input.value = id;
}

function responses(operation) {
  const rows = Object.entries(operation.responses).map(([status, what]) =>
    element("tr", {}, element("td", {}, element("code", {}, status)), element("td", {}, what.description)));
  return element("details", {}, element("summary", {}, "Answers"), element("table", { className: "body" }, ...rows));
}

function draw(path, method, operation) {
  const form = element("div", { className: "body" });
  form.append(...(operation.parameters || []).map(field));
  const text = operation.requestBody ? element("textarea", { value: example(operation), spellcheck: false }) : null;
  if (text) {
    text.className = "request";
    form.append(element("label", {}, "Body", text));
  }
  const output = element("pre", { hidden: true });
  const button = element("button", { type: "button", textContent: "Send" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    await send(method.toUpperCase(), path, form, text, output);
    output.hidden = false;
    button.disabled = false;
  });
  form.append(button, output, responses(operation));
  const head = element("summary", {}, element("span", { className: "method" }, method.toUpperCase()),
    element("code", {}, path), operation.summary || "");
  const shown = element("details", {}, head, form);
  shown.dataset.operation = method.toUpperCase() + " " + path;
  return shown;
}

// The database is said once, and goes into every body that names one.
function name(database) {
  for (const text of document.querySelectorAll("textarea.request")) {
    try {
      const body = JSON.parse(text.value);
      if ("database" in body) text.value = JSON.stringify({ ...body, database }, null, 2);
    } catch {
      // what somebody is typing is left alone
    }
  }
}

async function main() {
  const place = document.getElementById("operations");
  try {
    const described = await (await fetch("/openapi.json")).json();
    const drawn = Object.entries(described.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => draw(path, method, operation)));
    place.replaceChildren(...drawn);
    if (drawn.length) drawn[0].open = true;
  } catch (error) {
    place.textContent = "/openapi.json could not be read: " + error.message;
  }
  document.getElementById("database").addEventListener("change", (event) => name(event.target.value));
}

main();
