// Asks for the answers of a turn and feeds them in as they come: both sides, or the steered one.
// Neither request states a steering, so that both follow the sliders from token to token.

import { send, streamError } from "./api.js";
import { events } from "./events.js";

/** Resolves when all is written. Throws ApiError, and AbortError when `signal` ends it. */
export async function askBoth(turn, messages, settings, signal) {
  const body = { messages, ...settings };
  if (turn.watch) body.watch = [turn.watch];
  const response = await send("POST", "/api/compare", body, signal);
  for await (const { name, data } of events(response)) {
    const answer = turn.sides[data.side];
    if (name === "message" && data.error) throw streamError(data);
    else if (name === "start") turn.facts.textContent = `seed ${data.seed}`;
    else if (name === "token") answer.add(data.text);
    else if (name === "reading") answer.read(data);
    else if (name === "end") answer.end(data);
    else if (name === "error") answer.fail(streamError(data));
    turn.paint();
  }
}

export async function askSteered(turn, messages, { system, ...settings }, signal) {
  const whole = system ? [{ role: "system", content: system }, ...messages] : messages;
  const body = { messages: whole, ...settings, stream: true, stream_options: { include_usage: true } };
  const response = await send("POST", "/v1/chat/completions", body, signal);
  const answer = turn.sides.steered;
  const facts = {};
  for await (const { data } of events(response)) {
    if (data.error) throw streamError(data);
    const choice = data.choices[0];
    if (choice?.delta.content) answer.add(choice.delta.content);
    if (choice?.finish_reason) {
      facts.finish_reason = choice.finish_reason;
      facts.steering = data.steering?.text;
      turn.facts.textContent = `seed ${choice.seed}`;
    }
    if (data.usage) facts.usage = data.usage;
    turn.paint();
  }
  answer.end(facts);
  turn.paint();
}
