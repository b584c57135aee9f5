// What the page does, as code for elsewhere: the command line, Python, curl.

import { hasKey } from "./api.js";
import { messagesOf } from "./conversation.js";
import { copyButton } from "./copy.js";
import { byId, el } from "./dom.js";
import { sampling } from "./fields.js";
import { termsText } from "./grammar.js";
import { acting, server, state } from "./store.js";

export function exporting() {
  byId("open-export").addEventListener("click", open);
}

function open() {
  const asked = question();
  const several = asked.messages.length > 1;
  const blocks = [
    ["Command line", commandLine(asked), several ? "The last message alone: the command line asks one thing." : ""],
    ["Python", python(asked), ""],
    ["Python, by the openai client", openai(asked), ""],
    ["curl", curl(asked), hasKey() ? "Put your key in place of KEY." : ""],
  ];
  const dialog = el("dialog", { class: "wide-dialog", "aria-labelledby": "export-title" },
    el("div", { class: "dialog-body" },
      el("div", { class: "dialog-head" },
        el("h2", { id: "export-title" }, "The same, elsewhere"),
        el("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Close")),
      blocks.map(([title, code, note]) => el("section", { class: "code-block" },
        el("div", { class: "code-head" }, el("h3", {}, title), copyButton(() => code, `Copy for ${title}`, "Copy")),
        el("pre", { tabindex: "0", "aria-label": title }, el("code", {}, code)),
        note && el("p", { class: "hint" }, note)))));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
}

function question() {
  const found = messagesOf();
  const draft = byId("prompt").value.trim();
  const messages = found.length ? found : [{ role: "user", content: draft || "How was your day?" }];
  return { model: server.status?.model.name ?? "", messages, steer: termsText(acting()), system: state.system, ...{ settings: sampling() } };
}

function commandLine({ model, messages, steer, system, settings }) {
  const flags = [];
  if (steer) flags.push(`-s ${shell(steer)}`);
  if (system) flags.push(`--system ${shell(system)}`);
  for (const [key, value] of Object.entries(settings)) flags.push(`--${key.replace("_", "-")} ${value}`);
  return ["edgesteer run", shell(model), ...flags, shell(messages.at(-1).content)].join(" ");
}

function python({ model, messages, steer, system, settings }) {
  const prompt = messages.length > 1 ? literal(messages) : literal(messages[0].content);
  const options = [steer && `steer=${literal(steer)}`, system && messages.length === 1 && `system=${literal(system)}`, ...Object.entries(settings).map(([key, value]) => `${key}=${value}`)];
  const whole = system && messages.length > 1 ? literal([{ role: "system", content: system }, ...messages]) : prompt;
  return `import edgesteer as es

with es.Model.open(${literal(model)}) as model:
    reply = model.ask(${[whole, ...options.filter(Boolean)].join(", ")})
    print(reply.text)`;
}

function openai(asked) {
  const { messages, model, steering, top_k, min_p, repeat_penalty, ...known } = body(asked);
  const extra = { steering, top_k, min_p, repeat_penalty }; // not OpenAI's; what is undefined is left out
  const lines = [`model=${literal(model)}`, `messages=${literal(messages)}`, ...Object.entries(known).map(([key, value]) => `${key}=${value}`), `extra_body=${literal(extra)}`];
  return `from openai import OpenAI

client = OpenAI(base_url="${location.origin}/v1", api_key="${hasKey() ? "KEY" : "none"}")
reply = client.chat.completions.create(
${lines.map((line) => `    ${line},`).join("\n")}
)
print(reply.choices[0].message.content)`;
}

function curl(asked) {
  const key = hasKey() ? ` -H 'Authorization: Bearer KEY'` : "";
  return `curl ${location.origin}/v1/chat/completions -H 'Content-Type: application/json'${key} -d ${shell(JSON.stringify(body(asked)))}`;
}

function body({ model, messages, steer, system, settings }) {
  const whole = system ? [{ role: "system", content: system }, ...messages] : messages;
  return { model, messages: whole, steering: steer, ...settings };
}

const shell = (text) => (/^[\w.,:=@%/+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/** JSON's texts, lists and objects are Python's too. */
const literal = (value) => JSON.stringify(value);
